"""Setting up any ``pyproject.toml``: only what must change does, and a second run has nothing to do."""

from __future__ import annotations

import sys
from pathlib import Path, PurePosixPath

from hypothesis import assume, given
from hypothesis import strategies as st

from statebake.config.project import Project
from statebake.config.toml_file import TomlFile
from statebake.config.uv_cache import cache_keys_with, state_is_in_cache_keys
from statebake.errors import StatebakeError
from statebake.setup.array_text import with_entry
from statebake.setup.facts import CiFacts, DockerFacts, ExactFile, Facts
from statebake.setup.plan import plan_setup

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path("/repo/shop")
STATE = PurePosixPath("src/shop/defs/.local_defs_state")
BLANKS = st.sampled_from(["", "\n", "\n\n", "# a comment\n", "\n# [not.a] = 'table'\n", "  # indented\n"])
COMMENTS = st.sampled_from(["", " # why", "  # \"x\" ['y']", "\t"])
STRINGS = st.sampled_from(['"hatchling>=1.27"', "'setuptools'", "\"a[b]; python_version < '3.11'\"", '"# no"'])
SPACES = st.sampled_from(["", " ", "\n    ", "\n\t", ' # note, "x"\n  ', "\n# note ']'\n"])


@st.composite
def arrays(draw, entries=STRINGS):
    """The text of an array in any style."""
    items = draw(st.lists(entries, max_size=3))
    parts = [f"{draw(SPACES)}{item}{draw(SPACES)}" for item in items]
    comma = draw(st.sampled_from(["", ","])) if items else ""
    return f"[{','.join(parts)}{comma}{draw(SPACES)}]"


@st.composite
def build_systems(draw):
    """``[build-system]`` in any form."""
    requires = draw(arrays())
    backend = draw(st.sampled_from(["hatchling.build", "setuptools.build_meta", "uv_build", "mine:hooks", None]))
    path = draw(st.sampled_from([None, '["tools"]']))
    values = [f"requires = {requires}"]
    values += [f'build-backend = "{backend}"'] if backend else []
    values += [f"backend-path = {path}"] if path and backend else []
    form = draw(st.sampled_from(["table", "dotted", "inline"]))
    comment = draw(COMMENTS)
    if form == "inline":
        assume("\n" not in requires)
        return f"build-system = {{ {', '.join(values)} }}{comment}\n"
    prefix = "build-system." if form == "dotted" else ""
    head = "" if prefix else f"[build-system]{draw(COMMENTS)}\n"
    return head + "".join(f"{draw(BLANKS)}{prefix}{value}{draw(COMMENTS)}\n" for value in values)


OTHERS = st.sampled_from(
    [
        '[project]\nname = "shop"  # the name\nversion = "1"\ndependencies = [\n  "a",\n]\n',
        "[tool.statebake]\njobs = 3 # c\n",
        "[tool.statebake.pex]\nargs = []\n",
        "[tool.uv]\ndev-dependencies = []\n",
        '[tool.uv]\ncache-keys = [{ file = "x" }, { git = { commit = true } }]\n',
        '[tool.uv.sources]\na = { path = "b" }\n',
        '[tool.hatch.build.targets.wheel]\npackages = ["src/shop"]\n',
        '[[tool.mypy.overrides]]\nmodule = "x"\n',
        '[tool.x]\ntext = """\n[tool.statebake]\nbuild-backend = 1\n"""\n',
        '["quoted key"."é"]\nx = 1979-05-27T07:32:00Z\n',
    ]
)


@st.composite
def pyprojects(draw):
    """A whole file; dotted and inline tables come first, as they must."""
    system = draw(build_systems())
    others = draw(st.lists(OTHERS, max_size=4, unique=True))
    parts = [system, *others] if not system.startswith("[") else draw(st.permutations([system, *others]))
    text = "".join(f"{draw(BLANKS)}{part}" for part in parts) + draw(BLANKS)
    text = text.rstrip("\n") if draw(st.booleans()) else text
    try:
        tomllib.loads(text)
    except ValueError:
        assume(False)
    return text.replace("\n", "\r\n") if draw(st.booleans()) else text


def plan(text, uv):
    data = tomllib.loads(text)
    facts = Facts(
        project=Project(ROOT, "shop", ROOT / "pyproject.toml", None, "native", None, data),
        host="native",
        pyproject=ExactFile(TomlFile(ROOT / "pyproject.toml", data, text), text),
        own=None,
        hatch=None,
        setup_py=False,
        defs=STATE.parent,
        lock=None,
        unread_lock=None,
        uv="uv.lock" if uv else None,
        python="3.12",
        variables=(),
        interpreter="",
        ci=CiFacts(ROOT),
        docker=DockerFacts(),
    )
    return plan_setup(facts)


def lines_of(text):
    return text.replace("\r\n", "\n").split("\n")


@given(pyprojects(), st.booleans())
def test_any_file(text, uv):
    """The backend is wrapped, every other value is as it was, no other line changes, and then nothing is to do."""
    [change] = plan(text, uv).changes
    before, after = tomllib.loads(text), tomllib.loads(change.new)
    system = before["build-system"]
    assert after["build-system"] == {
        "requires": [*system["requires"], "statebake"],
        "build-backend": "statebake.backend",
    }
    inner = system.get("build-backend", "setuptools.build_meta:__legacy__")
    own = before.get("tool", {}).get("statebake", {})
    path = {"backend-path": system["backend-path"]} if "backend-path" in system else {}
    assert after["tool"]["statebake"] == {**own, "build-backend": inner, **path}
    if uv:
        assert state_is_in_cache_keys(after, STATE)
        assert after["tool"]["uv"]["cache-keys"] == cache_keys_with(before, STATE)
    for data in (before, after):
        data.pop("build-system")
        for name in ("statebake", "uv"):
            data.get("tool", {}).pop(name, None)
        if not data.get("tool"):
            data.pop("tool", None)
    assert after == before
    _only_these_lines_change(text, change.new)
    assert plan(change.new, uv).changes == ()


def _only_these_lines_change(before, after):
    """Assert that lines are lost only where a value is edited, and that the ends of lines stay."""
    assert ("\r\n" in after) == ("\r\n" in before)
    if "\r\n" in before:
        assert after.count("\r\n") == after.count("\n")
    import difflib

    lost = [line[2:] for line in difflib.ndiff(lines_of(before), lines_of(after)) if line.startswith("- ")]
    edited = ("requires", "build-backend", "backend-path", "cache-keys", "build-system", "]", '"', "'", "#")
    assert all(line.strip() == "" or any(word in line for word in edited) for line in lost)
    for line in lines_of(before):
        if line.strip().startswith("#"):
            assert line in lines_of(after)


@given(arrays())
def test_any_array(text):
    """An array in any style gets its entry at the end, and every comment stays."""
    after = with_entry(text, '"new"')
    assert tomllib.loads(f"x = {after}")["x"] == [*tomllib.loads(f"x = {text}")["x"], "new"]
    assert after.count("note") == text.count("note")


KEYS = ("build-system", "build-system.requires", "build-system.build-backend", "build-system.backend-path", "tool")
KEYS += (
    "tool.uv",
    "tool.uv.cache-keys",
    "tool.uv.package",
    "tool.statebake",
    "tool.statebake.build-backend",
    "project",
)
KEYS += ("tool.hatch.build", "tool.hatch.build.hooks", "tool.hatch.build.targets", "tool.hatch.build.targets.wheel")
VALUES = st.sampled_from(["3", "true", '"x"', "[]", "{}", "[[]]", "[{}]", "[1]", '["x"]', "{ x = 1 }", "nan"])


@given(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=4), st.booleans())
def test_never_a_traceback(values, uv):
    """Whatever a file says, the answer is a plan or an error with a next step."""
    text = "".join(f"{key} = {value}\n" for key, value in values.items())
    try:
        tomllib.loads(text)
    except ValueError:
        assume(False)
    try:
        result = plan(text, uv)
    except StatebakeError as error:
        result = error.next_step
    assert result
