"""Keys whose strategy fetches at run time, by what a manifest says."""

from __future__ import annotations

from statebake.errors import Code
from statebake.model.finding import Severity
from statebake.model.manifest import Manifest, RuntimeKey
from statebake.model.record import ComponentRef
from statebake.model.state_config import DefsStateManagementType
from statebake.verify.strategies import judge_strategies, runtime_keys_of, runtime_results

SNAPSHOTS = DefsStateManagementType.LEGACY_CODE_SERVER_SNAPSHOTS
STORED = DefsStateManagementType.VERSIONED_STATE_STORAGE
REF = ComponentRef("shop.Text", "src/shop/defs/x/defs.yaml:3")


def manifest(*keys, runtime=()) -> Manifest:
    return Manifest("shop", "statebake 0", "dagster 1.13.0", None, keys, runtime)


def test_where_a_manifest_says_it(build):
    """In its own list, and in the record of a key that had such a strategy when it was fetched."""
    recorded = build.record("Text[b]", management_type=STORED)
    listed = RuntimeKey("Text[a]", SNAPSHOTS, (REF,))
    found = runtime_keys_of(manifest(build.record("Text[c]"), recorded, runtime=(listed,)))
    assert [(item.key, item.management_type) for item in found] == [("Text[a]", SNAPSHOTS), ("Text[b]", STORED)]


def test_what_is_found():
    """An error at the declaration, or a warning for what may do so; of a store that a pin could say more."""
    keys = (RuntimeKey("Text[a]", SNAPSHOTS, (REF,)), RuntimeKey("Text[b]", STORED))
    one, two = judge_strategies(keys, ["Text[b]"], "shop.pex")
    assert (one.code, one.severity, one.key, one.where) == (
        *(Code.FETCHES_AT_RUN_TIME, Severity.ERROR, "Text[a]", REF.declared_at),
    )
    assert (two.severity, two.where, "only a pin can say" in two.message) == (Severity.WARNING, "shop.pex", True)


def test_results():
    """One for each key that has none yet."""
    keys = (RuntimeKey("b", SNAPSHOTS), RuntimeKey("a", STORED, (REF,)), RuntimeKey("a", SNAPSHOTS))
    found = [(item.key, item.declared_at, item.verdict) for item in runtime_results(keys, {"b"})]
    assert found == [("a", REF.declared_at, "fetches at run time")]
