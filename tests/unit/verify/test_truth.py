"""Judging an artifact by what was read of it: no I/O, one finding for each problem."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timezone

import pytest

from statebake.errors import Code
from statebake.model.finding import Severity
from statebake.model.manifest import Manifest
from statebake.verify import ArtifactKey, ArtifactState, Surroundings
from statebake.verify.cause import ContextLoss, ProjectFacts, first_match
from statebake.verify.expected import expected_of
from statebake.verify.subject import Subject
from statebake.verify.surroundings import find_package
from statebake.verify.truth import judge

NOW = datetime(2026, 1, 3, 3, 4, 5, tzinfo=timezone.utc)
PLACE = "shop/defs/.local_defs_state"
OTHER = "sha256:" + "b" * 64
FILES = frozenset({"shop/__init__.py", "shop/defs/__init__.py", "shop/defs/things/defs.yaml"})


@pytest.fixture
def records(build):
    return tuple(build.record(key).without_volatile() for key in ("a", "b"))


@pytest.fixture
def state(build, records):
    """A state directory with a manifest that is sound."""
    return ArtifactState(
        path=PLACE,
        manifest=Manifest("shop", "statebake 0", "native 0", None, records),
        keys=tuple(ArtifactKey(record, build.summary()) for record in records),
        unexpected=(),
        has_ignore_file=True,
        directories={"a": build.summary(), "b": build.summary()},
        records={record.key: record for record in records},
    )


def pex(*states, files=FILES, **around) -> Subject:
    roots = around.pop("roots", ("", ".deps/shop-1.whl"))
    return Subject("shop.pex", "pex", states, Surroundings(files=files, roots=roots, **around))


def image(*states, files=frozenset(), user="", import_path=(), **around) -> Subject:
    return Subject("shop:1", "image", states, Surroundings(files=files, **around), user, import_path)


def found(truth, severity=Severity.ERROR):
    return [(item.code, item.key) for item in truth.findings if item.severity is severity]


def test_sound(state):
    """What is sound has no findings, and a result for each key with its age."""
    truth = judge(pex(state), now=NOW)
    assert truth.findings == ()
    assert [(key.key, key.verdict, key.age_s, key.files) for key in truth.keys] == [
        ("a", "ok", 86400.0, 1),
        ("b", "ok", 86400.0, 1),
    ]
    assert truth.checks == ("2 keys compared with the manifest of the PEX",)


def test_a_key_that_the_manifest_has(state, build):
    """A key of the manifest without files is missing; one with other content contradicts it."""
    less = replace(state, directories={"a": build.summary(digest=OTHER)}, records={})
    truth = judge(pex(less), now=NOW)
    assert found(truth) == [(Code.ARTIFACT_MISMATCH, "a"), (Code.MISSING_STATE, "b")]
    assert [key.verdict for key in truth.keys] == ["differs", "missing"]
    assert truth.findings[1].where == f"shop.pex!{PLACE}/b"


def test_nothing_agrees(state, build, records):
    """Where files, manifest and record all differ, all three are shown."""
    third = replace(records[0], digest="sha256:" + "c" * 64)
    changed = replace(
        state,
        directories={**state.directories, "a": build.summary(digest=OTHER)},
        records={**state.records, "a": third},
    )
    [finding] = judge(pex(changed), now=NOW).findings
    assert "nothing agrees: the files have the digest bbbb" in finding.message
    assert "says aaaa" in finding.message
    assert "record cccc" in finding.message


def test_a_record_of_another_key(state, records):
    """A record that names another key is no proof of this one."""
    changed = replace(state, records={**state.records, "a": records[1]})
    [finding] = judge(pex(changed), now=NOW).findings
    assert finding.message.endswith("contradicts itself: its record is that of another key, 'b'.")


def test_state_without_content(state, build):
    """A marker with nothing beside it is no state, even with the right digest."""
    empty = build.summary(empty="its `state` is an empty marker with no content beside it")
    truth = judge(pex(replace(state, directories={**state.directories, "a": empty})), now=NOW)
    assert found(truth) == [(Code.EMPTY_STATE, "a")]
    assert truth.keys[0].verdict == "empty"


@pytest.mark.parametrize(("host", "severity"), [("dagster 1.13.0", Severity.ERROR), ("native 0", Severity.WARNING)])
def test_no_ignore_file(state, host, severity):
    """Without its ignore file state cannot be read where nothing can be written; only Dagster writes one."""
    manifest = replace(state.manifest, host=host)
    configs = {"pyproject.toml": '[tool.dg.project]\nroot_module = "shop"'}
    truth = judge(pex(replace(state, manifest=manifest, has_ignore_file=False), configs=configs), now=NOW)
    assert found(truth, severity) == [(Code.NO_IGNORE_FILE, None)]


@pytest.mark.parametrize(
    ("configs", "sound"),
    [
        ({"pyproject.toml": '[tool.dg.project]\nroot_module = "shop"'}, True),
        ({"shop/dg.toml": '[project]\nroot_module = "shop"'}, True),
        ({"shop/defs/pyproject.toml": '[tool.dg.project]\ndefs_module = "shop.defs"'}, True),
        ({}, False),
        ({"pyproject.toml": "[tool.dg]"}, False),
        ({"pyproject.toml": "no ["}, False),
        ({"pyproject.toml": "tool = 1"}, False),
        ({"pyproject.toml": "[tool]\ndg = 1"}, False),
        ({"pyproject.toml": "[tool.dg]\nproject = 1"}, False),
        ({"other/pyproject.toml": '[tool.dg.project]\nroot_module = "shop"'}, False),
        ({".deps/shop-1.whl/pyproject.toml": '[tool.dg.project]\nroot_module = "shop"'}, False),
        ({"pyproject.toml": '[tool.dg.project]\nroot_module = "depot"'}, False),
        ({"pyproject.toml": '[tool.dg.project]\nroot_module = "shop"\ndefs_module = "depot.defs"'}, False),
        (
            {
                "pyproject.toml": '[tool.dg.project]\nroot_module = "depot"',
                "shop/pyproject.toml": '[tool.dg.project]\nroot_module = "shop"',
            },
            True,
        ),
    ],
)
def test_the_config_file(state, configs, sound):
    """Dagster's configuration must be in the directory of the definitions or above, as far as that is one's own, and
    the first that is found must be that of the definitions.
    """
    dagster = replace(state, manifest=replace(state.manifest, host="dagster 1.13.0"))
    assert found(judge(pex(dagster, configs=configs), now=NOW)) == ([] if sound else [(Code.NO_CONFIG_FILE, None)])


def test_the_config_file_of_an_environment(state):
    """Where all roots become one directory, the configuration of one serves the packages of all."""
    dagster = replace(state, manifest=replace(state.manifest, host="dagster 1.13.0"))
    configs = {".deps/shop-1.whl/pyproject.toml": '[tool.dg.project]\nroot_module = "shop"'}
    assert judge(pex(dagster, configs=configs, one_directory=True), now=NOW).findings == ()
    configs["pyproject.toml"] = '[tool.dg.project]\nroot_module = "depot"'
    [finding] = judge(pex(dagster, configs=configs, one_directory=True), now=NOW).findings
    assert finding.code is Code.NO_CONFIG_FILE
    assert "with pyproject.toml it loads depot in its place" in finding.message


def test_a_declaration_is_missing(state):
    """A component without its defs.yaml does not exist, for each key that was declared there."""
    truth = judge(pex(state, files=FILES - {"shop/defs/things/defs.yaml"}), now=NOW)
    assert found(truth) == [(Code.NO_DECLARATION, "a"), (Code.NO_DECLARATION, "b")]


@pytest.mark.parametrize(
    ("root", "roots"),
    [("src", ("", ".deps/shop-1.whl")), (".deps/lost-1.whl", ("", ".deps/shop-1.whl"))],
)
def test_a_package_that_nothing_imports(state, root, roots):
    """Where the class of a component is beside the state, and on no import path, both are as good as missing."""
    moved = replace(state, path=f"{root}/{PLACE}")
    files = frozenset(f"{root}/{path}" for path in (*FILES, "shop/components.py"))
    truth = judge(pex(moved, files=files, roots=roots), now=NOW)
    assert found(truth) == [(Code.WRONG_PLACE, "a"), (Code.WRONG_PLACE, "b")]
    assert f"shop.components, which has the class of a, is in {root}, from where" in truth.findings[0].message
    assert found(judge(pex(moved, files=files, roots=(*roots, root)), now=NOW)) == []


def test_a_declaration_whose_path_repeats_the_package(state, build):
    """Where the package's name is in the path twice, the file that is there is found."""
    place = build.record("a").components[0]
    deep = replace(place, declared_at="src/shop/defs/shop/defs/defs.yaml:1")
    first, second = state.keys
    other = replace(state, keys=(replace(first, record=replace(first.record, components=(deep,))), second))
    assert found(judge(pex(other, files=FILES | {"shop/defs/shop/defs/defs.yaml"}), now=NOW)) == []
    assert found(judge(pex(other), now=NOW)) == [(Code.NO_DECLARATION, "a")]


def test_directories_that_nobody_expects(state, build):
    """A manifest knows every key: more is an error; without one, it may be what Dagster has written."""
    more = replace(state, directories={**state.directories, "old": build.summary()})
    assert found(judge(pex(more), now=NOW)) == [(Code.ARTIFACT_MISMATCH, None)]
    truth = judge(pex(replace(more, manifest=None)), now=NOW)
    assert found(truth) == []
    assert found(truth, Severity.WARNING) == [(Code.NO_MANIFEST, None), (Code.ORPHAN, None)]


def test_what_refreshes_leave(state, build):
    """What every refresh leaves is no finding, in an image neither; what a killed one leaves is a warning."""
    staged = replace(state, directories={**state.directories, ".staging": build.summary()})
    for subject in (pex(staged), image(staged)):
        assert Code.ORPHAN not in {item.code for item in judge(subject, now=NOW).findings}
    killed = judge(image(replace(staged, idle=False)), now=NOW)
    assert (Code.ORPHAN, None) in found(killed, Severity.WARNING)


def test_no_manifest(state, records):
    """Without a manifest the keys are those of the project, whatever their content, and the report says so."""
    bare = replace(state, manifest=None, keys=(), directories={"a": state.directories["a"]}, records={})
    project = expected_of([replace(record, digest=OTHER) for record in records], "the work tree shop", place=PLACE)
    truth = judge(pex(bare), project=project, now=NOW)
    assert found(truth) == [(Code.MISSING_STATE, "b")]
    assert "looked for are those of the work tree shop" in truth.findings[-1].message
    assert truth.checks[-1] == "2 keys of the work tree shop looked for, whatever the content"


def test_nothing_at_all():
    """An artifact with no state, and nothing that says what it should carry, is no sound artifact."""
    assert found(judge(pex(), now=NOW)) == [(Code.MISSING_STATE, None)]


@pytest.mark.parametrize("editable", [True, False])
def test_what_is_installed_editable(records, editable):
    """It has its state where the project is, which is what the next step says, with the project at hand or without."""
    origin = json.dumps({"url": "file:///x", "dir_info": {"editable": editable}})
    around = Surroundings(roots=("",), origins={"my_shop-1.dist-info/direct_url.json": origin})
    subject = Subject("venv", "environment", (), around)
    assert ("my-shop: installed editable" in judge(subject, now=NOW).findings[0].next_step) is editable
    facts = ProjectFacts("My.Shop", {}, PLACE, "", {"a": ["a/state"], "b": ["b/state"]})
    told = judge(subject, project=expected_of(records, "the work tree"), facts=facts, now=NOW).findings
    assert [("is installed editable" in item.message) for item in told if item.key] == [editable] * 2


def test_state_of_which_nothing_is_said(state):
    """State with neither a manifest nor a record proves nothing where no project is at hand."""
    truth = judge(image(replace(state, manifest=None, keys=(), records={})), now=NOW)
    assert [(item.code, item.key) for item in truth.findings] == [(Code.MISSING_STATE, None)]
    assert "no manifest and no record of its state" in truth.findings[0].message


def test_older_than_the_work_tree(state, records):
    """An installed copy that is older than the work tree is an old build; any other one only differs."""
    newer = [replace(record, digest=OTHER, fetched_at="2026-01-02T04:00:00Z") for record in records]
    against = replace(expected_of(newer, "the work tree shop"), name="shop", state=f"src/{PLACE}")
    assert {code for code, _ in found(judge(pex(state), against=against, now=NOW))} == {Code.STATE_DIFFERS}
    installed = replace(state, path=f".deps/shop-1.whl/{PLACE}")
    files = frozenset(f".deps/shop-1.whl/{path}" for path in FILES)
    truth = judge(pex(installed, files=files), against=against, now=NOW)
    assert {code for code, _ in found(truth)} == {Code.OLD_BUILD}
    assert truth.findings[0].next_step.startswith("uv sync --reinstall-package shop; ")
    sooner = replace(expected_of([replace(r, fetched_at="2026-01-01T00:00:00Z") for r in newer], "x"), place=PLACE)
    assert {code for code, _ in found(judge(pex(installed, files=files), against=sooner, now=NOW))} == {
        Code.STATE_DIFFERS
    }


def test_copies_in_an_image(state, build):
    """In an image every copy must be right; two that differ, and one without state, are told."""
    one, other = (replace(state, path=f"/{root}/{PLACE}") for root in ("app", "usr/lib/site-packages"))
    assert judge(image(one, other), now=NOW).findings == ()
    changed = build.summary(digest=OTHER)
    manifest = replace(state.manifest, keys=tuple(replace(record, digest=OTHER) for record in state.manifest.keys))
    records = {record.key: record for record in manifest.keys}
    keys = tuple(ArtifactKey(record, changed) for record in manifest.keys)
    content = {"a": changed, "b": changed}
    differs = replace(other, manifest=manifest, keys=keys, directories=content, records=records)
    assert found(judge(image(one, differs), now=NOW)) == [(Code.SECOND_COPY, None)]
    files = frozenset({"/usr/lib/site-packages/shop/defs/__init__.py", "/app/shop/defs/things/defs.yaml"})
    assert found(judge(image(one, files=files), now=NOW), Severity.WARNING) == [(Code.SECOND_COPY, None)]


def test_state_that_the_images_user_cannot_read(state):
    """What the user that an image runs as cannot read is as good as missing."""
    closed = replace(state, path=f"/app/{PLACE}", owners={f"/app/{PLACE}/a/state": 0})
    assert found(judge(image(closed, user="1000"), now=NOW)) == [(Code.ARTIFACT_MISMATCH, None)]
    assert judge(image(closed), now=NOW).findings == ()


@pytest.mark.parametrize(
    ("path", "sound"),
    [
        ("/root", False),
        ("/root/shop/defs/things/defs.yaml", False),
        ("/root/shop/__init__.py", True),
        ("/root/other", True),
        ("/roo", True),
    ],
)
def test_what_the_images_user_may_not_pass(state, path, sound):
    """A directory above the state that only its owner may pass closes it, and so does a declaration of its own."""
    files = frozenset(f"/root/{file}" for file in FILES)
    subject = image(replace(state, path=f"/root/{PLACE}"), files=files, user="1000", closed={path: 0})
    assert found(judge(subject, now=NOW)) == ([] if sound else [(Code.ARTIFACT_MISMATCH, None)])
    owned = image(replace(state, path=f"/root/{PLACE}"), files=files, user="1000", closed={path: 1000})
    assert found(judge(owned, now=NOW)) == []


def test_what_an_image_imports_first(state):
    """A copy without state that the image's own PYTHONPATH names is imported, whatever is installed besides."""
    installed = replace(state, path=f"/usr/lib/site-packages/{PLACE}")
    files = frozenset(f"{root}/{file}" for root in ("/usr/lib/site-packages", "/app/src") for file in FILES)
    assert found(judge(image(installed, files=files), now=NOW)) == []
    for path in (("/app/src",), ("/x", "/app/src/")):
        assert found(judge(image(installed, files=files, import_path=path), now=NOW)) == [(Code.SECOND_COPY, None)]
    assert found(judge(image(installed, files=files, import_path=("/usr/lib/site-packages",)), now=NOW)) == []


def test_a_record_that_does_not_list_the_state(state):
    """State that the RECORD of its wheel does not know may be left out by whatever installs it."""
    truth = judge(pex(state, unlisted=(f"{PLACE}/a/state",)), now=NOW)
    assert found(truth) == [(Code.ARTIFACT_MISMATCH, None)]


def test_dockerignore(state, records):
    """State that is missing in an image is explained by the rule that keeps it out of the build context."""
    facts = ProjectFacts(
        name="shop",
        pyproject={},
        state=f"src/{PLACE}",
        import_root="src",
        keys={"a": [f"src/{PLACE}/a/state"], "b": []},
        context_losses=[ContextLoss(".dockerignore:3", "**/.*", ("a",), "add it")],
    )
    project = expected_of(records, "the work tree shop", place=PLACE)
    truth = judge(image(), project=project, facts=facts, now=NOW)
    assert found(truth) == [(Code.NOT_IN_CONTEXT, "a"), (Code.MISSING_STATE, "b")]
    assert truth.findings[0].where == ".dockerignore:3"
    assert truth.findings[1].next_step == "statebake refresh --key b"


@pytest.mark.parametrize(
    ("files", "where"),
    [
        ({"shop/__init__.py", "x/shop/defs/a.py"}, ()),
        ({"shop/__init__.py", "shop/defs/a.py", "x/shop/__init__.py", "x/shop/defs/a.py"}, ("shop/defs",)),
        ({"shop/defs/a.py", "x/shop/__init__.py", "x/shop/defs/a.py"}, ("x/shop/defs",)),
        ({"shop/defs/a.py", "x/shop/defs/a.py"}, ("shop/defs", "x/shop/defs")),
        ({"shop.py", "x/shop/__init__.py", "x/shop/defs/a.py"}, ()),
    ],
)
def test_how_a_package_is_found(files, where):
    """The first regular package wins over namespace packages, whose parts are all of them looked through."""
    directories = {"/".join(path.split("/")[:depth]) for path in files for depth in range(1, path.count("/") + 1)}
    assert find_package(directories, files, ("", "x"), ("shop", "defs")) == where


def test_which_rule_decides():
    """The rule that is named is the last one that matches; none where it takes back what others matched."""
    rules = ["# comment", "", "*.json", "target/", "!keep.json"]
    assert first_match(rules, ["a/b.json"]) == 2
    assert first_match(rules, ["a/target/x"]) == 3
    assert first_match(rules, ["keep.json", "other"]) is None


def test_projects_side_by_side(state):
    """Where an artifact has the state of several projects, what is compared is told for each by its package."""
    other = replace(state, path="depot/defs/.local_defs_state", keys=state.keys[:1], records={})
    manifest = replace(state.manifest, project="depot", keys=state.manifest.keys[:1])
    other = replace(other, manifest=manifest, directories={"a": state.directories["a"]})
    files = FILES | {"depot/__init__.py", "depot/defs/__init__.py", "depot/defs/things/defs.yaml"}
    assert judge(pex(state, other, files=files), now=NOW).checks == (
        "2 keys compared with the manifest of shop/defs in the PEX",
        "1 key compared with the manifest of depot/defs in the PEX",
    )
