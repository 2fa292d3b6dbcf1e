"""A bake ends with the judgement of ``verify``: what does not pass gets no name, and the old artifact stays."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from support.cli import Result, statebake
from support.installed import build
from support.loading import READ, loads, project
from support.pexes import CACHE_ENV, bake
from support.trees import write_tree

FETCHES = "import socket\ntry: socket.create_connection(('192.0.2.7', 443), 1)\nexcept OSError: pass\n"
STATE = "shop/defs/.local_defs_state"
MODULE = '\n[tool.statebake]\nmodule = "shop"\n'
WHEEL = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "shop"
version = "1"
[tool.hatch.build.targets.wheel]
packages = ["shop"]
"""


def report(result: Result) -> dict:
    """Return the report of the only artifact."""
    [found] = result.json["projects"][0]["verification"]["reports"]
    return found


def findings(result: Result) -> list[tuple[str, str, str | None]]:
    return [(item["severity"], item["code"], item["key"]) for item in report(result)["findings"]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with state, and a PEX of it."""
    root = tmp_path_factory.mktemp("made")
    bake(project(root / "shop", loads("one", READ), loads("two", READ)), root / "shop.pex", "--no-refresh").ok()
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    """A copy of that, which a test may change."""
    return shutil.copytree(made, tmp_path / "root")


def test_what_is_said(root):
    """It tells what the artifact was compared with: in text, and as the report that ``verify`` would give as JSON."""
    result = bake(root / "shop", root / "shop.pex", "--no-refresh").ok()
    project = result.json["projects"][0]
    verified = statebake("verify", root / "shop.pex", "--against", ".", "--format", "json", cwd=root / "shop").ok()
    [alone] = verified.json["reports"]
    assert report(result) == {**alone, "directory": str(root / "shop")}
    assert (project["verification"]["verify"], project["verification"]["ok"]) == ("truth", True)
    command = ("bake", "pex", "--no-refresh", "--output", root / "shop.pex")
    shown = statebake(*command, cwd=root / "shop", env=CACHE_ENV).ok()
    assert "2 keys, every digest proved in the file\n  - 2 keys compared with the manifest of the PEX\n" in shown.out


@pytest.mark.parametrize(
    ("extra", "found"),
    [
        ({f"{STATE}/Extra__x__/state": "x"}, "The PEX carries state that no expected key explains, Extra__x__"),
        (
            {f"other/{STATE}/statebake-manifest.json": None},
            "it has 2 state directories with a manifest, not one",
        ),
    ],
    ids=["state of no key", "a second state directory"],
)
def test_what_does_not_pass(root, extra, found):
    """It is told as ``verify`` tells it, with exit code 3, and the old file stays, to the byte, alone."""
    statebake("check", "--write-manifest", root / "manifest.json", cwd=root / "shop").ok()
    manifest = (root / "manifest.json").read_text()
    write_tree(root / "extra", {name: text or manifest for name, text in extra.items()})
    output = root / "out/shop.pex"
    output.parent.mkdir()
    before = shutil.copy(root / "shop.pex", output).read_bytes()
    flags = ("--no-refresh", "--pex-arg=-D", f"--pex-arg={root / 'extra'}")
    result = bake(root / "shop", output, *flags)
    assert (result.code, findings(result)) == (3, [("error", "SB313", None)])
    assert found in report(result)["findings"][0]["message"]
    assert "pex" not in result.json["projects"][0]
    assert (output.read_bytes(), [path.name for path in output.parent.iterdir()]) == (before, ["shop.pex"])

    shown = statebake("bake", "pex", "--output", output, *flags, cwd=root / "shop", env=CACHE_ENV)
    assert (shown.code, found in shown.out) == (3, True)
    assert "shop.pex was not written; the old one is still there" in shown.out
    assert output.read_bytes() == before


def test_a_second_copy_of_the_package(root):
    """The project's own wheel among its dependencies, with older state, is a warning: it is not what is imported."""
    shutil.copytree(root / "shop/src", root / "old")
    (root / "old" / STATE / "Text__two__/state").write_text("old")
    (root / "old/pyproject.toml").write_text(WHEEL)
    wheel = build("wheel", root / "old", root / "wheels")
    pyproject = root / "shop/pyproject.toml"
    text = pyproject.read_text().replace('"statebake"]', f'"statebake", "shop @ {wheel.as_uri()}"]')
    pyproject.write_text(text.replace('name = "shop"', 'name = "store"') + MODULE)
    result = bake(root / "shop", root / "new.pex", "--no-refresh").ok()
    assert findings(result) == [("warning", "SB323", None)]


@pytest.mark.needs("namespaces")
def test_a_sealed_load(root):
    """``--verify sealed`` tells how long the load took, what each key made, and that nothing tried to fetch."""
    flags = ("--no-refresh", "--verify", "sealed")
    result = bake(root / "shop", root / "new.pex", *flags).ok()
    assert result.json["projects"][0]["verification"]["verify"] == "sealed"
    found = report(result)
    assert [(key["opened"], key["definitions"]) for key in found["keys"]] == [(True, 3), (True, 3)]
    assert found["checks"][-2].startswith("Loaded in ")
    assert found["checks"][-1] == "Nothing tried to fetch."
    command = ("bake", "pex", *flags, "--output", root / "new.pex")
    shown = statebake(*command, cwd=root / "shop", env=CACHE_ENV).ok()
    assert "Nothing tried to fetch." in shown.out
    assert "definitions" in shown.out


@pytest.mark.needs("namespaces")
@pytest.mark.parametrize(
    ("code", "found", "counted"),
    [
        (f"{FETCHES}{READ}", "SB602", "1 attempt to fetch was refused."),
        ("raise ValueError('broken')", "SB601", "Nothing tried to fetch."),
        ("import time; time.sleep(600)", "SB606", None),
        ("made = []", "SB604", "Nothing tried to fetch."),
    ],
    ids=["fetches", "raises", "hangs", "yields nothing"],
)
def test_a_sealed_load_that_fails(root, code, found, counted):
    """It ends with 6, with what ``verify --sealed`` finds, and no file has the name."""
    broken = project(root / "broken", loads("one", READ), loads("two", code))
    result = bake(broken, root / "new.pex", "--no-refresh", "--verify", "sealed", "--sealed-timeout", "10s")
    assert result.code == 6
    assert ("error", found, "Text[two]") in findings(result)
    assert counted is None or report(result)["checks"][-1] == counted
    assert not (root / "new.pex").exists()


def test_the_setting(root):
    """A project can ask for it once and for all; the flag counts more."""
    broken = project(
        root / "broken", loads("one", "raise ValueError"), settings='\n[tool.statebake.bake]\nverify = "sealed"\n'
    )
    assert bake(broken, root / "new.pex", "--no-refresh").code == 6
    bake(broken, root / "new.pex", "--no-refresh", "--verify", "truth").ok()


@pytest.mark.needs("namespaces")
def test_an_interpreter_that_is_not_on_the_path(root):
    """A PEX is loaded with the interpreter that it was made with."""
    flags = ("--no-refresh", "--verify", "sealed", "--python", sys.executable)
    bake(root / "shop", root / "new.pex", *flags, env={"PATH": "/nowhere"}).ok()
