"""PEXes of projects whose code goes in as the wheel that their own backend makes."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.builds import expected_state
from support.cli import statebake
from support.native import component, native_project
from support.pexes import bake, members, rewrite, run_pex, state_in

HOME_OF_STATE = "shop/defs/.local_defs_state/"
SETUPTOOLS = '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
HATCHLING = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
PROJECT = '[project]\nname = "shop"\nversion = "1"\ndependencies = ["statebake"]\n'


def refreshed(root: Path, pyproject: str, files: dict[str, str]) -> Path:
    """Write a project that has its state."""
    project = native_project(root / "shop", component("one"), {"pyproject.toml": pyproject, **files})
    statebake("refresh", cwd=project).ok()
    return project


def baked(project: Path, *args: str) -> tuple[Path, dict]:
    """Bake a project; return the PEX and what is said of its code."""
    pex = project.parent / "shop.pex"
    report = bake(project, pex, "--no-refresh", *args).ok().json["projects"][0]
    return pex, report["pex"]["code"]


def test_entry_points(tmp_path):
    """What is declared as an entry point is found at run time, and a script of the project runs by its name.

    What its backend leaves out is there as well, and arguments of pex that are about the PEX do not disturb the build.
    Without entry points it is a wheel still, for a module reads the project's version.
    """
    declared = (
        '[project.scripts]\nsell = "shop.sell:main"\n[project.entry-points."shop.goods"]\ntea = "shop.sell:tea"\n'
    )
    sell = """
        from importlib.metadata import entry_points, version

        from statebake import load_defs


        def main():
            [tea] = entry_points(group="shop.goods")
            print(version("shop"), tea.load()(), *load_defs("shop"))


        def tea():
            return "tea"
    """
    files = {"src/shop/sell.py": sell, "src/shop/goods.sql": "select 'tea'"}  # which setuptools is not told of
    project = refreshed(tmp_path, SETUPTOOLS + PROJECT + declared, files)
    pex, code = baked(project, "--pex-arg=--no-compress")
    assert code == {"as": "wheel", "why": "[project.scripts] declares entry points"}
    assert run_pex(pex, home=tmp_path, env={"PEX_SCRIPT": "sell"}).ok().out == "1 tea one\n"
    assert run_pex(pex, home=tmp_path).ok().out == "one\n"
    assert any(name.endswith("/shop/goods.sql") for name in members(pex))
    inside = {name.partition(HOME_OF_STATE)[2]: text for name, text in members(pex).items() if HOME_OF_STATE in name}
    assert inside == state_in(pex)
    expected = {name.removeprefix(HOME_OF_STATE): text for name, text in expected_state(project).items()}
    assert {name: text for name, text in inside.items() if name in expected} == expected
    (project / "pyproject.toml").write_text(SETUPTOOLS + PROJECT)
    plan = bake(project, pex, "--no-refresh", "--dry-run").ok().json["projects"][0]["bake_plan"]
    assert plan["code"] == {"as": "wheel", "why": "shop/sell.py asks for the metadata of the project"}


@dataclass(frozen=True)
class Baked:
    """A project with a file that only its build writes, and with a package beside its own; its PEX; what was said."""

    project: Path
    pex: Path
    code: dict


@pytest.fixture(scope="module")
def generated(tmp_path_factory) -> Baked:
    """Bakes it once for all."""
    hook = """
        from pathlib import Path

        from hatchling.builders.hooks.plugin.interface import BuildHookInterface


        class Writes(BuildHookInterface):
            def initialize(self, version, build_data):
                Path(self.root, "src/shop/made.py").write_text("BY = 'the build'\\n")
                build_data["artifacts"].append("src/shop/made.py")
    """
    main = "from extra import BY as OTHER\nfrom shop.made import BY\nfrom statebake import load_defs\n"
    pyproject = HATCHLING + PROJECT + '[tool.hatch.build]\npackages = ["src/shop"]\n[tool.hatch.build.hooks.custom]\n'
    files = {
        "hatch_build.py": hook,
        "src/shop/__main__.py": main + "print(BY, OTHER, *load_defs('shop'))\n",
        "extra/__init__.py": "BY = 'hand'\n",
    }
    settings = '[tool.statebake]\npackages = ["extra"]\n'
    project = refreshed(tmp_path_factory.mktemp("generated"), pyproject + settings, files)
    pex, code = baked(project)
    return Baked(project, pex, code)


@pytest.fixture
def project(generated, tmp_path) -> Path:
    """A copy of it, with its PEX beside it."""
    shutil.copy(generated.pex, tmp_path)
    return Path(shutil.copytree(generated.project, tmp_path / "shop"))


def test_generated_files(generated, tmp_path):
    """A file that the build writes is in the PEX, and so is what `packages` names, beside the wheel."""
    assert generated.code == {"as": "wheel", "why": "[tool.hatch.build.hooks.custom] runs in its build"}
    assert run_pex(generated.pex, home=tmp_path).ok().out == "the build hand one\n"
    own = [name for name in members(generated.pex) if name.startswith(("shop/", "extra/"))]
    assert own == ["extra/__init__.py"]


def test_the_same_bytes_again(generated, project):
    """The same input makes the same PEX, wherever the project lies and however new its files are."""
    for path in project.rglob("*"):
        os.utime(path, (2_000_000_000, 2_000_000_000))
    assert baked(project)[0].read_bytes() == generated.pex.read_bytes()


def test_new_state_with_warm_caches(project, tmp_path):
    """Whatever pex keeps of the build before, new state is in the next PEX, and so is new code."""
    declared = project / "src/shop/defs/things/defs.yaml"
    declared.write_text(declared.read_text().replace('"name": "one"', '"name": "one", "text": "two"'))
    statebake("refresh", cwd=project).ok()
    hook = project / "hatch_build.py"
    hook.write_text(hook.read_text().replace("the build", "another"))
    pex, _ = baked(project)
    assert run_pex(pex, home=tmp_path).ok().out == "another hand two\n"


def test_a_build_that_fails(project, tmp_path):
    """What the backend says is shown, with a code and what to do; the PEX that was there stays."""
    pex = tmp_path / "shop.pex"
    before = pex.read_bytes()
    (project / "hatch_build.py").write_text("raise RuntimeError('no tea today')\n")
    result = statebake("bake", "pex", "--no-refresh", "--project", project, "-o", pex, cwd=tmp_path)
    assert result.code == 7
    assert "error[SB714]: The build of the project's wheel with hatchling.build failed." in result.err
    assert "no tea today" in result.err
    assert "next: mend what it says" in result.err
    assert pex.read_bytes() == before


def test_files_where_that_was_asked_for(project):
    """`--code files` leaves out what only the build makes."""
    (project / "src/shop/made.py").unlink()
    pex, code = baked(project, "--code", "files")
    assert code == {"as": "files", "why": "asked for by pex.code"}
    assert "shop/__main__.py" in members(pex)
    assert not any("made" in name or "shop-1" in name for name in members(pex))


def test_state_in_its_wheel_is_found_changed(generated, tmp_path):
    """A PEX of this form is verified as any other: state that was changed in it is told."""
    other = rewrite(
        generated.pex, tmp_path / "other.pex", lambda name, text: b"x" if name.endswith("one__/state") else text
    )
    result = statebake("verify", other, "--format", "json", cwd=tmp_path)
    assert result.code == 3
    assert [finding["code"] for report in result.json["reports"] for finding in report["findings"]] == ["SB313"]


@pytest.mark.needs("gcc")
def test_a_compiled_extension(tmp_path):
    """A project with an extension in C runs from its PEX, with its state, and loads under seals."""
    c = """
        #include <Python.h>
        static PyObject *twice(PyObject *self, PyObject *given) { return PySequence_Repeat(given, 2); }
        static PyMethodDef methods[] = {{"twice", twice, METH_O, ""}, {NULL, NULL, 0, NULL}};
        static struct PyModuleDef fast = {PyModuleDef_HEAD_INIT, "fast", "", -1, methods};
        PyMODINIT_FUNC PyInit_fast(void) { return PyModule_Create(&fast); }
    """
    setup = (
        "from setuptools import Extension, setup\nsetup(ext_modules=[Extension('shop.fast', ['src/shop/fast.c'])])\n"
    )
    main = "from shop.fast import twice\nfrom statebake import load_defs\nprint(*map(twice, load_defs('shop')))\n"
    files = {"setup.py": setup, "src/shop/fast.c": c, "src/shop/__main__.py": main}
    project = refreshed(tmp_path, SETUPTOOLS + PROJECT, files)
    pex, code = baked(project)
    assert code == {"as": "wheel", "why": "setup.py has extensions to compile"}
    assert run_pex(pex, home=tmp_path).ok().out == "oneone\n"
    statebake("verify", "--sealed", pex, cwd=tmp_path).ok()
