"""What importing statebake brings along: a deployed program, or every command, pays for it at every start."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import statebake

SOURCES = Path(statebake.__file__).parents[1]
NEVER = {
    *("click", "docker", "jinja2", "packaging", "pathspec", "pex", "rich", "tomli", "tomllib", "uv", "yaml"),
    *(
        "argparse",
        "asyncio",
        "concurrent",
        "ctypes",
        "difflib",
        "hashlib",
        "json",
        "logging",
        "multiprocessing",
    ),
    *("random", "shutil", "socket", "ssl", "subprocess", "tempfile", "threading", "urllib", "zipfile"),
}
NOT_OURS = NEVER | {"ast", "dataclasses", "inspect", "pathlib", "typing"}


def modules_after(statement: str) -> set[str]:
    # -S: what the environment's .pth files import is not ours
    code = f"import sys; sys.path.insert(0, {str(SOURCES)!r}); {statement}; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import statebake", NOT_OURS | {"enum", "re"}),
        ("from statebake import *", NEVER),
        ("from statebake import ComponentLoadContext, Definitions, StateBackedComponent", NOT_OURS),
        ("from statebake import StatebakeError, component_instance, load_defs", NOT_OURS),
    ],
)
def test_an_import_brings_nothing_heavy(statement, absent):
    """The runtime imports neither build-time dependencies nor the slow part of the standard library."""
    assert modules_after(statement) & absent == set()


def test_only_yaml_is_imported_beside_the_standard_library():
    """All modules of the runtime together import only the standard library and statebake itself."""
    names = [f"statebake.runtime.{file.stem}" for file in (SOURCES / "statebake/runtime").glob("[a-z]*.py")]
    tops = {name.split(".")[0] for name in modules_after(f"import {', '.join(names)}")}
    assert {name for name in tops if name not in sys.stdlib_module_names} - {"__main__"} == {"statebake"}


def test_commands_begin_without_what_only_some_need():
    """What every command imports has neither the tools that make artifacts nor the search for secrets."""
    code = "import sys, statebake.cli, statebake.pipeline; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = ("docker", "hyperscan", "jinja2", "pex", "statebake.hygiene")
    assert [name for name in modules if name.startswith(heavy)] == []


def test_every_name_is_there():
    """Every public name can be had, and is listed by dir()."""
    assert all(getattr(statebake, name) is not None for name in statebake.__all__)
    assert set(statebake.__all__) <= set(dir(statebake))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = statebake.nonsense


def test_the_version_is_that_of_the_project():
    """The literal in the package and the one in pyproject.toml are the same."""
    text = (SOURCES.parent / "pyproject.toml").read_text()
    assert re.search(r'^version = "(.*)"$', text, re.MULTILINE)[1] == statebake.__version__
