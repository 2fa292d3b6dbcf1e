"""Keys whose state is in no artifact: the manifest names them, every verification tells of them, and pins are read."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from support.cli import Result, run, statebake
from support.dagster import dagster_project, dagster_python
from support.native import component, documents, native_project
from support.pexes import CACHE_ENV, bake
from support.trees import write_tree

VARIABLE = "DAGSTER_DEFS_STATE_INFO_OVERRIDE_PATH"
STORED = "VERSIONED_STATE_STORAGE"
SNAPSHOTS = {"management_type": "LEGACY_CODE_SERVER_SNAPSHOTS"}
# Dagster's own writer, so that it is its format that is read.
PIN = """
import sys
from dagster_shared.serdes import serialize_value
from dagster_shared.serdes.objects.models.defs_state_info import DefsKeyStateInfo, DefsStateInfo
pairs = zip(sys.argv[1::2], sys.argv[2::2])
found = {key: DefsKeyStateInfo(version=version, create_timestamp=1.0) for key, version in pairs}
print(serialize_value(DefsStateInfo(info_mapping={**found, "Text[none]": None})))
"""


def findings(result: Result) -> list[tuple[str, str, str | None]]:
    """Return what was found in the only report, but that state has no record."""
    found = result.json["reports"][0]["findings"]
    return [(item["severity"], item["code"], item["key"]) for item in found if item["code"] != "SB306"]


def message(result: Result, code: str) -> str:
    return next(item["message"] for item in result.json["reports"][0]["findings"] if item["code"] == code)


@pytest.fixture(scope="module")
def pex(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PEX of a project with a key that is in there, and one that is fetched at every start."""
    root = tmp_path_factory.mktemp("snapshots")
    made = native_project(root / "shop", documents(component("one"), component("two", defs_state=SNAPSHOTS)))
    flags = ("--allow-runtime-fetch", "Text[two]", "--python", sys.executable)
    result = bake(made, root / "shop.pex", *flags).ok()
    [report] = result.json["projects"][0]["verification"]["reports"]
    assert [(item["severity"], item["code"], item["key"]) for item in report["findings"]] == [
        ("warning", "SB307", "Text[two]")
    ]
    return root / "shop.pex"


def test_an_artifact_that_fetches(pex, tmp_path):
    """Its manifest names the key and its strategy: without the project, too, that is an error, unless it is allowed."""
    result = statebake("verify", pex, "--format", "json", cwd=tmp_path)
    assert (result.code, findings(result)) == (3, [("error", "SB307", "Text[two]")])
    keys = {item["key"]: item["verdict"] for item in result.json["reports"][0]["keys"]}
    assert keys == {"Text[one]": "ok", "Text[two]": "fetches at run time"}
    allowed = statebake("verify", pex, "--format", "json", "--allow-runtime-fetch", "Text*", cwd=tmp_path).ok()
    assert findings(allowed) == [("warning", "SB307", "Text[two]")]
    shown = statebake("inspect", pex, cwd=tmp_path).ok()
    assert "fetched at run time: Text[two] (LEGACY_CODE_SERVER_SNAPSHOTS)" in shown.out


@pytest.mark.needs("namespaces")
def test_a_sealed_load_of_it(pex, tmp_path):
    """What the load saw is told once, and nobody expects that the key's state was opened."""
    result = statebake("verify", "--sealed", pex, "--format", "json", cwd=tmp_path, env=CACHE_ENV)
    assert [item for item in findings(result) if item[1] in {"SB307", "SB603"}] == [("error", "SB307", "Text[two]")]


def test_an_artifact_without_a_manifest(pex, tmp_path):
    """The project says which keys there should be: those that are fetched as well."""
    installed = tmp_path / "site-packages"
    project = pex.parent / "shop"
    run(["cp", "-r", project / "src/.", installed], cwd=tmp_path).ok()
    (installed / "shop-1.dist-info").mkdir()
    (installed / "shop-1.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: shop\nVersion: 1\n")
    (installed / "shop-1.dist-info/RECORD").write_text("")
    result = statebake("verify", installed, "--project", project, "--format", "json", cwd=tmp_path)
    assert ("error", "SB307", "Text[two]") in findings(result)
    assert ("warning", "SB327", None) in findings(result)


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """The packages of a Dagster project with a key in Dagster's store, and one that is in there; the project beside."""
    attributes = {"one": {"name": "one"}, "two": {"name": "two", "defs_state": {"management_type": STORED}}}
    text = "type: depot.components.text.Text\nattributes: "
    yaml = {name: f"{text}{json.dumps(values)}\n" for name, values in attributes.items()}
    made = dagster_project(tmp_path / "it", yaml)
    place = made / "src/depot/defs/.local_defs_state/Text__one__"
    place.mkdir(parents=True)
    (place / "state").write_text("one")
    (place.parent / ".gitignore").write_text("*\n")
    packages = shutil.copytree(made / "src", tmp_path / "site-packages")
    shutil.copy(made / "pyproject.toml", packages)
    files = {"METADATA": "Metadata-Version: 2.1\nName: depot\nVersion: 1\n", "RECORD": ""}
    write_tree(packages, {f"depot-1.dist-info/{name}": text for name, text in files.items()})
    return packages


def load(packages: Path, *flags: str, version: str = "1.13") -> Result:
    """Verify them with Dagster's interpreter, under seals."""
    named = ("--python", str(dagster_python(version)), "--project", str(packages.parent / "it"))
    return statebake("verify", packages, "--sealed", "--format", "json", *named, *flags, cwd=packages.parent)


def told(result: Result) -> list[tuple[str, str, str | None]]:
    """Return what is about strategies and pins."""
    return [item for item in findings(result) if item[1] in {"SB307", "SB609"}]


def pinned(path: Path, *keys_and_versions: str) -> str:
    """Write a file with pins, as Dagster writes it, and return the flag that names it."""
    path.write_text(run([dagster_python("1.13"), "-c", PIN, *keys_and_versions], cwd=path.parent).ok().out)
    return named(path)


def named(path: Path) -> str:
    return f"--sealed-env={VARIABLE}={path}"


@pytest.mark.needs("dagster-1.13", "namespaces")
def test_a_key_that_is_pinned(stored, tmp_path):
    """Stored state without a pin is an error; with a version of it in the file that the variable names it is none."""
    alone = load(stored)
    assert told(alone) == [("error", "SB307", "Text[two]")]
    assert f"{VARIABLE} is not set" in message(alone, "SB307")
    good = load(stored, pinned(tmp_path / "pins.json", "Text[two]", "abc", "Text[one]", "__local__"))
    assert told(good) == []
    [report] = good.json["reports"]
    assert {item["key"]: item["definitions"] for item in report["keys"]} == {"Text[one]": 1, "Text[two]": 0}
    assert any("Text[two] is in Dagster's store, out of reach" in note for note in report["notes"])


@pytest.mark.needs("dagster-1.13", "namespaces")
def test_what_pins_nothing(stored, tmp_path):
    """Another key, what is no version of the store, a file that is empty, damaged or missing: each by its reason."""
    two, file = ("error", "SB307", "Text[two]"), ("error", "SB609", None)
    for keys in (("Text[one]", "abc"), ("Text[two]", "__local__"), ()):
        found = load(stored, pinned(tmp_path / "pins.json", *keys))
        assert (told(found), message(found, "SB307").endswith("/pins.json does not pin this key.")) == ([two], True)
    damaged = '{"info_mapping": {"Text[two]": "abc"}}'
    for text, says in ((" \n", "it is empty"), (damaged, "it is not what Dagster writes")):
        (tmp_path / "bad.json").write_text(text)
        found = load(stored, named(tmp_path / "bad.json"))
        assert (told(found), says in message(found, "SB609")) == ([two, file], True)
    for place, says in ((tmp_path / "none", "there is no such file"), (tmp_path, "cannot be read (Is a directory)")):
        found = load(stored, named(place), "--allow-runtime-fetch", "Text[two]")
        assert told(found) == [("warning", "SB307", "Text[two]"), ("warning", "SB609", None)]
        assert says in message(found, "SB609")


@pytest.mark.needs("dagster-1.12", "dagster-1.13", "namespaces")
def test_a_dagster_that_reads_no_pins(stored, tmp_path):
    """Dagster 1.12 does not know the variable: what it names pins nothing."""
    found = load(stored, pinned(tmp_path / "pins.json", "Text[two]", "abc"), version="1.12")
    assert told(found) == [("error", "SB307", "Text[two]"), ("error", "SB609", None)]
    assert "this version of Dagster does not read it" in message(found, "SB609")
