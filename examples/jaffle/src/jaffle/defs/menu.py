import dagster as dg

PRICES = {"cheese jaffle": 6.50, "mushroom jaffle": 7.20, "banana jaffle": 5.80, "lemonade": 3.40}


@dg.asset(group_name="menu")
def menu() -> dict[str, float]:
    """What the shop sells, and for how much."""
    return PRICES


@dg.asset(group_name="menu", deps=[dg.AssetKey("daily_revenue")])
def weekly_letter(menu: dict[str, float]) -> str:
    """The letter to the regulars, written once the week's revenue is known."""
    dearest = max(menu, key=lambda dish: menu[dish])
    return f"This week's special is the {dearest}, at {menu[dearest]:.2f}."
