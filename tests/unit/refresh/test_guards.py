"""Guards on content: what is rejected, and what is said about it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from statebake.errors import Code, StatebakeError
from statebake.refresh.guards import Guards, check_content
from support.trees import read_tree, write_tree

SECRET = "hunter2-and-more"


def check(staged: Path, guards: Guards, old: Path | None = None, *, allow_shrink: bool = False) -> None:
    before = {root: read_tree(root) for root in (staged, old) if root is not None}
    try:
        check_content(staged, old, guards, key="Text[it's]", where="defs.yaml:1", allow_shrink=allow_shrink)
    finally:
        assert {root: read_tree(root) for root in before} == before


def rejected(staged: Path, guards: Guards, old: Path | None = None, code: Code = Code.CONTENT_REJECTED) -> str:
    """Return what is said: the message and the lines below it."""
    with pytest.raises(StatebakeError) as caught:
        check(staged, guards, old)
    error = caught.value
    assert error.code is code
    if code is Code.CONTENT_SHRUNK:
        assert error.next_step == """statebake refresh --key 'Text[it'"'"'s]' --allow-shrink"""
        check(staged, guards, old, allow_shrink=True)
    if code in {Code.CONTENT_SHRUNK, Code.CONTENT_REJECTED}:
        assert "Text[it's]" in error.message
        assert error.where == "defs.yaml:1"
    assert SECRET not in str(error)
    return "\n".join(filter(None, [error.message, error.detail]))


@pytest.fixture
def write(tmp_path):
    """Write a key directory and return it; what is no text becomes JSON."""

    def write_one(name: str, files: dict[str, object]) -> Path:
        texts = {path: text if isinstance(text, str) else json.dumps(text) for path, text in files.items()}
        return write_tree(tmp_path / name, texts)

    return write_one


@pytest.fixture
def against(tmp_path, write):
    """Judge a ``state`` by a schema, and return what is said about it."""

    def judge(state: object, schema: object, code: Code = Code.CONTENT_REJECTED) -> str:
        (tmp_path / "shape.json").write_text(schema if isinstance(schema, str) else json.dumps(schema))
        return rejected(write("new", {"state": state}), Guards(schema=tmp_path / "shape.json"), code=code)

    return judge


def shrunk(old: Path, new: Path, limit: float = 0.2) -> str:
    said = rejected(new, Guards(max_shrink=limit), old, Code.CONTENT_SHRUNK)
    return said.partition("allows: ")[2]


def test_without_guards_everything_passes(write):
    """Nothing is asked for by default."""
    check(write("new", {"state": ""}), Guards(), write("old", {"state": "1" * 1000}))


@pytest.mark.parametrize(("low", "high"), [(None, None), (7, 7), (None, 7), (0, None)])
def test_sizes_within_their_bounds(write, low, high):
    """Both bounds are inclusive, and all files count."""
    check(write("new", {"state": "1234", "a/b": "567", ".statebake.json": "no content"}), Guards(low, high))


def test_too_small_and_too_large(write):
    """The message has the size, the bound, and the setting."""
    new = write("new", {"state": "1234", "a/b": "567"})
    assert "wrote 7 bytes, fewer than its `min_bytes` of 8" in rejected(new, Guards(min_bytes=8))
    assert "wrote 7 bytes, more than its `max_bytes` of 6" in rejected(new, Guards(max_bytes=6))


SHAPE = {
    "type": "object",
    "required": ["tables", "owner"],
    "properties": {
        "tables": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/table"}},
        "owner": {"enum": ["me"]},
        "token": {"pattern": "^[a-z]+$", "maxLength": 3},
        "count": {"minimum": 1, "multipleOf": 2},
    },
    "additionalProperties": False,
    "$defs": {"table": {"type": "object", "properties": {"id": {"type": ["integer", "null"]}}}},
}


def test_state_that_satisfies_its_schema(tmp_path, write):
    """Valid state passes, with references inside the schema and to the drafts."""
    for number, schema in enumerate([SHAPE, True, {}, {"$ref": "https://json-schema.org/draft/2020-12/schema"}]):
        (tmp_path / "shape.json").write_text(json.dumps(schema))
        state = {"tables": [{"id": 1}], "owner": "me"} if number < 3 else {"type": "object"}
        check(write("new", {"state": state}), Guards(schema=tmp_path / "shape.json"))


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"tables": [{}, {"id": SECRET}], "owner": "me"}, "$.tables[1].id: is a string, where the schema has integer"),
        ({}, "$: lacks tables, owner"),
        ({"tables": [], "owner": "me"}, "$.tables: has 0 items, fewer than 1"),
        ({"tables": [{}], "owner": SECRET}, "$.owner: is none of the values that the schema lists"),
        ({"tables": [{}], "owner": "me", "token": SECRET}, "$.token: does not match the pattern ^[a-z]+$"),
        ({"tables": [{}], "owner": "me", "token": "abcd"}, "$.token: has 4 characters, more than 3"),
        ({"tables": [{}], "owner": "me", "count": 0}, "$.count: is less than 1"),
        ({"tables": [{}], "owner": "me", "count": 3}, "$.count: is no multiple of 2"),
        ({"tables": [{}], "owner": "me", "a b": 1, "c": 2}, "$: has members that the schema does not know: a b, c"),
        ([SECRET], "$: is an array, where the schema has object"),
        (SECRET, "is not JSON (line 1, column 1)"),
        ('{"tables": NaN}', "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("", "is not JSON"),
    ],
)  # fmt: skip
def test_state_that_breaks_its_schema(against, state, said):
    """The place and what is wrong are said, in words of the schema; the value is not."""
    assert said in against(state, SHAPE)


def test_many_violations(against):
    """A few of them are shown, each place once."""
    said = against([SECRET] * 10_000, {"items": {"type": "integer"}})
    assert said.count("is a string") == 5
    assert said.endswith("… and more")


def test_state_that_is_no_file(tmp_path, write):
    """A schema is for one document."""
    (tmp_path / "shape.json").write_text("{}")
    assert "is a directory" in rejected(write("a", {"state/x": "1"}), Guards(schema=tmp_path / "shape.json"))
    assert "is missing" in rejected(write("b", {"x": "1"}), Guards(schema=tmp_path / "shape.json"))
    (tmp_path / "c").mkdir()
    (tmp_path / "c/state").write_bytes(b"\xff" + SECRET.encode())
    assert "is not JSON" in rejected(tmp_path / "c", Guards(schema=tmp_path / "shape.json"))


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ("{", "it is no JSON"),
        ("[]", "it is an array"),
        ({"type": "strin"}, "$.type fits none"),
        ({"properties": {"a": {"minItems": "x"}}}, "$.properties.a.minItems is a string"),
        ({"pattern": "("}, "$.pattern is no regex"),
        ({"$schema": "https://example.com/own"}, "https://example.com/own, is no published draft"),
        ({"$ref": "https://example.com/other.json"}, "reference https://example.com/other.json leads out of"),
        ({"anyOf": [True, {"$ref": "https://example.com/other.json"}]}, "leads out of the file or to nothing"),
        ({"properties": {"never": {"$ref": "other.json"}}}, "reference other.json leads out of"),
        ({"$id": "https://example.com/a.json", "$ref": "b.json"}, "reference b.json leads out of"),
        ({"$ref": "file:///etc/passwd"}, "leads out of"),
        ({"$ref": "#/$defs/none"}, "reference #/$defs/none leads out of the file or to nothing"),
        ({"$ref": "http://[bad"}, "leads out of"),
        ({"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"a": {"$ref": "x:y"}}}, "leads out of"),
        ({"$ref": "#"}, "refers to itself"),
        ({"$defs": {"const": {"const": {"$ref": "https://example.com"}}}, "not": {}}, None),
    ],
)
def test_a_schema_that_cannot_be_used(against, schema, said, monkeypatch):
    """The file is named with what is wrong in it, and nothing is ever fetched for it."""
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: pytest.fail("fetched"))
    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: pytest.fail("fetched"))
    if said is None:
        assert "$: fits what the schema excludes" in against("1", schema)
    else:
        found = against("1", schema, Code.BAD_SETTING)
        assert said in found
        assert "`schema` names shape.json" in found


@pytest.mark.parametrize("draft", ["03", "04", "06", "07"])
def test_older_drafts(against, draft):
    """A schema of an older draft is judged by that draft's rules."""
    uri = f"http://json-schema.org/draft-{draft}/schema#"
    required = {"properties": {"a": {"required": True}}} if draft == "03" else {"required": ["a"]}
    assert "lacks a" in against("{}", {"$schema": uri, **required})


def test_a_schema_that_is_missing(tmp_path, write):
    """A schema file that is not there is the setting's fault."""
    said = rejected(write("new", {"state": "1"}), Guards(schema=tmp_path / "no.json"), code=Code.BAD_SETTING)
    assert "it cannot be read: No such file" in said


def test_without_the_extra(tmp_path, write, monkeypatch):
    """Where jsonschema is not installed, the next step is to install it; other guards work without."""
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    new = write("new", {"state": "1"})
    check(new, Guards(min_bytes=1, max_shrink=0.1), new)
    with pytest.raises(StatebakeError) as caught:
        check(new, Guards(schema=tmp_path / "shape.json"))
    assert (caught.value.code, caught.value.next_step) == (
        Code.EXTRA_NOT_INSTALLED,
        "pip install 'statebake[schema]'",
    )


def connectors(*names: str) -> dict[str, object]:
    return {"connectors": [{"id": name, "secret": SECRET, "tables": [1, 2, 3]} for name in names], "at": SECRET}


def test_half_of_a_response(write):
    """What was lost is named: where, how much, and which."""
    names = [f"c{number:02}" for number in range(40)]
    said = shrunk(write("old", {"state": connectors(*names)}), write("new", {"state": connectors(*names[21:])}))
    assert said.startswith("connectors: 40 → 19 (gone: c00, c01, c02 and 18 more).\nsize: ")
    assert said.endswith("elements of `state` in all: 282 → 135")


def test_inside_of_every_item(write):
    """A loss inside of all items of a list is one line, and those that stayed are matched whatever their order."""
    old = [{"name": f"n{number}", "tables": {"a": 1, "b": [1, 2]}} for number in range(10)]
    new = [{"name": item["name"], "tables": {"a": 1}} for item in reversed(old)]
    said = shrunk(write("old", {"state": old}), write("new", {"state": new}))
    assert said.startswith("[].tables: 20 → 10 (gone: b, b, b and 7 more)")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ([1, 2, 3, 4], [1, 2], "state: 4 → 2."),
        ([SECRET] * 4, [], "state: 4 → 0."),
        ({"a": {"b c": [1] * 9}}, {"a": {"b c": []}}, 'a."b c": 9 → 0.'),
        ({"a": [1] * 9}, {"a": SECRET}, "a: 9 → a string."),
        ({"a": [1] * 9}, {"a": None}, "a: 9 → null."),
        ({"a": [1] * 9}, SECRET, "state: 1 → a string."),
        ({"a": [1] * 9}, {}, "a: 9 → 0."),
        ({"a": [1] * 9}, {"b": [2] * 9}, "a: 9 → 0."),
        ({"a": [1] * 9, "b": [2] * 2}, {"a": [1] * 9, "c": []}, "state: 2 → 2 (gone: b)."),
        ([{"id": 1}, {"id": 1}, {"id": 3}], [{"id": 1}], "state: 3 → 1."),
        ([{"id": 1}, {"id": 2}], [{"id": 2}], "state: 2 → 1 (gone: 1)."),
        ([{"id": "x" * 99}, {"id": "a\nb"}], [], f'state: 2 → 0 (gone: {"x" * 39}…, "a\\nb").'),
        ([{"id": 1, "key": SECRET}] * 2, [{"key": 1}], "state: 2 → 1."),
    ],
)  # fmt: skip
def test_where_elements_are_lost(write, old, new, said):
    """Every place of a document can lose, and no value but one that identifies is shown."""
    state = json.dumps(new) if isinstance(new, str) else new
    assert shrunk(write("old", {"state": old}), write("new", {"state": state, "rest": "x" * 999}), 0.1).startswith(said)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            {"columns": {f"t{n}": list(range(20)) for n in range(100)}, "tables": list("abcdefghij") * 4},
            {"columns": {f"t{n}": list(range(20 - n % 2)) for n in range(100)}, "tables": list("abcdefghij")},
            "tables: 40 → 10.",
        ),
        ({"a": [1] * 4, "b": [1] * 99}, {"a": [1], "b": [1] * 99}, "a: 4 → 1."),
        ({"a": [1] * 3, "b": [1] * 99}, {"a": [1], "b": [1] * 99}, None),
        (  # the columns of one table may go, those of most tables may not
            {"tables": {f"t{n}": {"columns": [1] * 10} for n in range(10)}},
            {"tables": {f"t{n}": {"columns": [1] * (10 if n else 2)} for n in range(10)}},
            None,
        ),
        (
            {"tables": {f"t{n}": {"columns": [1] * 10} for n in range(10)}, "rest": [1] * 999},
            {"tables": {f"t{n}": {"columns": [1] * (2 if n else 10)} for n in range(10)}, "rest": [1] * 999},
            "tables.t1.columns: 10 → 2.",
        ),
    ],
    ids=["one of two", "most of four", "two of three", "one deep place", "many deep places"],
)
def test_a_place_by_itself(write, old, new, said):
    """A list that lost much is a loss, however much else there is; few elements, or one place deep inside, are none."""
    before, staged = write("old", {"state": old}), write("new", {"state": new})
    if said:
        assert shrunk(before, staged).startswith(said)
    else:
        check(staged, Guards(max_shrink=0.2), before)


@pytest.mark.parametrize("path", ["state/tables.json", "project/target/manifest.json"])
def test_json_beside_other_files(write, path):
    """JSON files are looked into wherever they are in the key directory, as the manifest of a dbt project is."""
    rest = {"state/x": "y" * 5000, "project/dbt_project.yml": "name: shop"}
    nodes = {f"model.shop.m{number}": {"name": "m"} for number in range(40)}
    half = dict(list(nodes.items())[:20])
    old, new = write("old", {path: {"nodes": nodes}, **rest}), write("new", {path: {"nodes": half}, **rest})
    assert f"nodes of {path}: 40 → 20 (gone: model.shop.m20, " in shrunk(old, new)


def test_what_dbt_says_of_its_last_run(write):
    """Of what dbt writes only the manifest is compared: a run of one model has fewer results."""
    rest = {"state": "", "project/dbt_project.yml": "x" * 5000}
    path = "project/target/run_results.json"
    check(write("new", {path: [1], **rest}), Guards(max_shrink=0.2), write("old", {path: [1] * 40, **rest}))


def test_json_in_a_string_is_a_string(write):
    """A document inside of a string is not looked into."""
    old, new = (
        write("old", {"state": [json.dumps([1] * 50)]}),
        write("new", {"state": [json.dumps([1] * 5)], "x": "y" * 200}),
    )
    check(new, Guards(max_shrink=0.1), old)


def test_many_losses(write):
    """The greatest come first, and the rest is counted."""
    old = {f"m{number:02}": list(range(number)) for number in range(20)}
    said = shrunk(write("old", {"state": old}), write("new", {"state": {name: [] for name in old}})).splitlines()
    assert said[0] == "m19: 19 → 0."
    assert said[7:9] == ["m12: 12 → 0", "… and 11 more places"]


def test_files_that_are_gone(write):
    """Files are counted and named, wherever `state` is a file or a directory."""
    old = write("old", {f"state/{number}": "1" for number in range(10)})
    said = shrunk(old, write("new", {"state/0": "1" * 20}))
    assert said == "files: 10 → 1 (gone: state/1, state/2, state/3 and 6 more)."


def test_bytes_that_are_gone(write):
    """State that is no JSON is compared by its bytes."""
    said = shrunk(write("old", {"state": "x" * 5000}), write("new", {"state": "y" * 3999}))
    assert said == "size: 5.0 kB → 4.0 kB."


def test_json_that_is_none_any_more(write):
    """A page that says that the source is down is longer than the answer was, and has none of its elements."""
    old = write("old", {"state": {"tables": list(range(100))}})
    said = shrunk(old, write("new", {"state": "<html>maintenance" + " " * 1000}))
    assert said.startswith("state: 101 elements of JSON → no JSON.")


@pytest.mark.parametrize(
    ("old", "new", "limit", "passes"),
    [
        ("x" * 10, "x" * 8, 0.2, True),
        ("x" * 100, "x" * 79, 0.2, False),
        ("x" * 100, "x" * 80, 0.2, True),
        ("x" * 100, "x" * 99, 0.0, False),
        ("x" * 100, "x" * 100, 0.0, True),
        ("x" * 100, "x" * 200, 0.0, True),
        ("x" * 100, "", 1.0, True),
        (list(range(100)), list(range(1000, 1080)), 0.2, True),
        (list(range(100)), list(range(1000, 1079)), 0.2, False),
        ({"a": 1}, "no JSON any more", 0.2, False),
        ({letter: [1] * 9 for letter in "abcdefgh"}, {letter: [1] * 9 for letter in "abcdefg"}, 0.2, True),
        ("no JSON yet", {"a": 1}, 0.9, True),
        ("[" * 50_000 + "]" * 50_000, "[" * 50_000 + "]" * 50_000, 0.1, True),
    ],
)
def test_the_bound_is_inclusive(write, old, new, limit, passes):
    """A loss of exactly `max_shrink` passes; more does not."""
    staged, before = write("new", {"state": new}), write("old", {"state": old})
    if passes:
        check(staged, Guards(max_shrink=limit), before)
    else:
        shrunk(before, staged, limit)


def test_work_that_nobody_waits_for(write, tmp_path):
    """Parsing, comparing and validating end where the pulse raises, however many elements there still are."""
    (tmp_path / "shape.json").write_text(json.dumps({"items": {"type": "array", "items": {"type": "integer"}}}))
    old, new = write("old", {"state": [[n] for n in range(50)]}), write("new", {"state": [[n] for n in range(50)]})

    def pulse() -> None:
        if next(beats, None) is None:
            raise KeyboardInterrupt

    for guards in (Guards(max_shrink=0.5), Guards(schema=tmp_path / "shape.json")):
        for limit in (0, 1, 10, 50):
            beats = iter(range(limit))
            with pytest.raises(KeyboardInterrupt):
                check_content(new, old, guards, key="a", where="", allow_shrink=False, pulse=pulse)


def test_a_document_too_large_for_a_schema(write, tmp_path, monkeypatch):
    """What is too large to be parsed cannot satisfy a schema, and is told so."""
    (tmp_path / "shape.json").write_text("{}")
    monkeypatch.setattr("statebake.refresh.json_schema.MAX_JSON_BYTES", 50)
    said = rejected(write("new", {"state": [10**60]}), Guards(schema=tmp_path / "shape.json"))
    assert "wrote a `state` that is larger than 64 MiB, the most that is compared" in said


def test_large_documents_are_not_parsed(write, monkeypatch):
    """Above the limit only bytes and files are compared."""
    monkeypatch.setattr("statebake.refresh.guards.MAX_JSON_BYTES", 50)
    old, new = write("old", {"state": [1] * 20}), write("new", {"state": [10**60]})
    check(new, Guards(max_shrink=0.1), old)


@pytest.mark.parametrize("kind", ["none", "missing", "a file", "foreign"])
def test_no_state_before(write, tmp_path, kind):
    """What was no state before is nothing to compare with."""
    old: Path | None = tmp_path / "old"
    if kind == "none":
        old = None
    elif kind == "a file":
        old.write_text("x" * 1000)
    elif kind == "foreign":
        write("old", {"state": "x" * 1000})
        os.mkfifo(old / "fifo")
    check_content(
        write("new", {"state": "1"}), old, Guards(max_shrink=0), key="a", where="defs.yaml:1", allow_shrink=False
    )
