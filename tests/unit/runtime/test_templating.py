"""``{{ env.NAME }}``: replaced when set, harmless until used when not."""

import copy
import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statebake.errors import Code, StatebakeError
from statebake.runtime.templating import resolve, values_needed

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
PLAIN = st.text().filter(lambda text: "{" not in text)


def resolved(value, environ):
    return resolve(value, attribute="token", where="defs.yaml:3", environ=environ)


def unset():
    return resolved("{{ env.TOKEN }}", {})


@given(st.lists(st.tuples(PLAIN, NAMES, st.text(), st.text(" \t", max_size=2))), PLAIN)
def test_templating_is_replacement(parts, tail):
    """A text with variables is the text with their values, whatever these contain, and always a plain str."""
    environ = {name: value for _, name, value, _ in parts}
    template = "".join(f"{text}{{{{{space}env.{name}{space}}}}}" for text, name, _, space in parts) + tail
    expected = "".join(text + environ[name] for text, name, _, _ in parts) + tail
    assert resolved(template, environ) == expected
    assert type(resolved(template, environ)) is str


@given(
    st.recursive(
        PLAIN | st.integers() | st.none() | st.booleans(),
        lambda it: st.lists(it) | st.dictionaries(PLAIN, it),
    )
)
def test_values_without_expressions_stay(value):
    """Attributes without an expression come out as they went in."""
    assert resolved(value, {}) == value


def test_nested_values_are_resolved():
    """Strings in lists and mappings are resolved; each remembers its place, and keys are left alone."""
    value = resolved({"{{ k }}": [{"a": "{{ env.SET }}!"}, "{{ env.TOKEN }}"]}, {"SET": "x"})
    assert value["{{ k }}"][0] == {"a": "x!"}
    with pytest.raises(StatebakeError, match=r"TOKEN is not set.*token\.\{\{ k \}\}\[1\]"):
        str(value["{{ k }}"][1])


def test_an_empty_variable_is_set():
    """A variable that is set to nothing is not unset."""
    assert resolved("{{env.EMPTY}}", {"EMPTY": ""}) == ""


@pytest.mark.parametrize("text", ["{{ foo }}", "{{ env.A | default }}", "{{ env.1 }}", "{{}}", "a {{ env.A"])
def test_other_expressions_are_refused(text):
    """Anything but env.NAME is an error that says what is supported, even if a variable would be unset."""
    with pytest.raises(StatebakeError) as caught:
        resolved("{{ env.UNSET }}" + text, {})
    assert caught.value.code is Code.BAD_ATTRIBUTES
    assert caught.value.where == "defs.yaml:3"
    assert "{{ env.NAME }}" in caught.value.message


USES = {
    "str": str,
    "format": lambda it: f"{it}",
    "percent": lambda it: "%s" % it,  # noqa: UP031
    "add": lambda it: it + "x",
    "radd": lambda it: "x" + it,
    "mul": lambda it: it * 2,
    "attribute": lambda it: it.strip(),
    "encode": lambda it: it.encode(),
    "index": lambda it: it[0],
    "slice": lambda it: it[1:],
    "iteration": list,
    "len": len,
    "bool": bool,
    "or": lambda it: it or "default",
    "in": lambda it: "x" in it,
    "less": lambda it: it < "x",
    "more": lambda it: it > "x",
    "int": int,
    "float": float,
    "bytes": bytes,
    "fspath": os.fspath,
    "Path": Path,
    "path below": lambda it: Path("x") / it,
    "path above": lambda it: it / Path("x"),
    "open": open,
    "call": lambda it: it(),
    "print": print,
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_any_use_of_an_unset_variable_raises(use):
    """Using the value raises UNSET_VARIABLE with the variable's name and the declaration's line."""
    with pytest.raises(StatebakeError, match="TOKEN") as caught:
        use(unset())
    assert caught.value.code is Code.UNSET_VARIABLE
    assert caught.value.where == "defs.yaml:3"
    assert caught.value.next_step == "export TOKEN=…"


def test_the_first_unset_variable_is_named():
    """Of several variables in a string, the first that is unset is named."""
    assert repr(resolved("{{ env.SET }}{{ env.B }}{{ env.A }}", {"SET": "1"})) == "<unset environment variable B>"


def test_an_unset_variable_can_be_carried_around():
    """The placeholder survives dataclasses, copies, repr and comparison, and is no str."""

    @dataclass(frozen=True)
    class Holder:
        token: object

    token = unset()
    holder = Holder(token)
    assert not isinstance(token, str)
    assert repr(holder).endswith("Holder(token=<unset environment variable TOKEN>)")
    assert copy.deepcopy(holder) == copy.copy(holder) == holder
    assert hash(holder) == hash(Holder(token))
    assert token == token  # noqa: PLR0124
    assert token == unset()
    assert token != resolved("{{ env.OTHER }}", {})
    assert token != "x"
    assert not hasattr(token, "__dataclass_fields__")


def test_what_cannot_be_intercepted_names_the_variable():
    """json.dumps and str.join, which ask the object nothing, fail by the name of the variable."""
    for use in (json.dumps, lambda it: "".join([it])):
        with pytest.raises(TypeError, match="unset environment variable TOKEN"):
            use(unset())


def test_a_fetch_needs_the_value():
    """While state is fetched, not even what stands for the value is shown, or compared with another one."""
    token = unset()
    for use in (repr, lambda it: f"{[it]}", lambda it: it == "x", lambda it: "x" in ["y", it], lambda it: it != ""):
        with pytest.raises(StatebakeError, match="TOKEN is not set"), values_needed():
            use(token)
    with values_needed():
        assert token == token  # noqa: PLR0124
    assert repr(token) == "<unset environment variable TOKEN>"
