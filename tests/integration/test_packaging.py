"""statebake as it is installed: from a wheel, from a wheel that an sdist gave, editable; and its runtime part alone."""

from __future__ import annotations

import hashlib
import os
import sys
import time
import zipfile
from pathlib import Path

import pytest

import statebake
from statebake.bake.runtime_wheel import build_runtime_wheel
from support.cli import statebake as statebake_here
from support.dagster import REPO
from support.installed import Environment, build, copy_repository, unpack
from support.native import component, native_project
from support.pexes import CACHE_ENV

pytestmark = pytest.mark.needs("uv")

HOWS = ["wheel", "sdist", "editable"]

READ_TEMPLATES = """
from pathlib import Path
import statebake
from statebake.bake import templates
package = Path(statebake.__file__).parent
answer = {
    "templates": {path.name: path.read_text() for path in sorted(templates.TEMPLATES_DIR.iterdir())},
    "Dockerfile.template": (package / "Dockerfile.template").read_text(),
    "rendered": templates.render("artifact-pyproject.toml", project={"root_module": "it"}),
    "py.typed": (package / "py.typed").is_file(),
    "explain.md": (package / "explain.md").is_file(),
    "worker": sorted(path.name for path in (package / "worker").glob("*.py")),
    "package": str(package),
}
"""


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """The wheel that a clone gives, the one that its sdist gives, and the clone."""
    root = tmp_path_factory.mktemp("wheels")
    clone = copy_repository(root / "clone")
    sdist = build("sdist", clone, root / "sdist")
    return {
        "clone": clone,
        "wheel": build("wheel", clone, root / "direct"),
        "sdist": build("wheel", unpack(sdist, root / "unpacked"), root / "from-sdist"),
    }


@pytest.fixture(scope="module")
def installed(wheels, tmp_path_factory):
    """Environments with statebake and all that it requires, by how it came there."""
    root = tmp_path_factory.mktemp("installed")
    return {
        "wheel": Environment.make(root / "wheel", wheels["wheel"]),
        "sdist": Environment.make(root / "sdist", wheels["sdist"]),
        "editable": Environment.make(root / "editable", "--editable", wheels["clone"]),
    }


@pytest.mark.parametrize("how", HOWS)
def test_templates_are_found(installed, how):
    """The top-level templates and ``Dockerfile.template`` are read through the package, however it was installed."""
    found = installed[how].ask(READ_TEMPLATES)
    expected = {path.name: path.read_text() for path in sorted((REPO / "templates").iterdir())}
    assert expected
    assert found["templates"] == expected
    assert found["Dockerfile.template"] == (REPO / "Dockerfile.template").read_text()
    assert '= "it"' in found["rendered"]
    inside = str(installed[how].directory) in found["package"]
    assert inside == (how != "editable")


@pytest.mark.parametrize("how", HOWS)
def test_all_that_is_read_at_run_time_is_there(installed, how):
    """The type marker, the stories of the error codes and the worker's files are installed."""
    found = installed[how].ask(READ_TEMPLATES)
    assert found["py.typed"]
    assert found["explain.md"]
    assert found["worker"] == sorted(path.name for path in (REPO / "src/statebake/worker").glob("*.py"))


@pytest.mark.parametrize("how", HOWS)
def test_commands(installed, how):
    """The console script and ``python -m statebake`` start, with what the metadata requires and no more."""
    version = f"statebake {statebake.__version__}\n"
    assert installed[how].run("statebake", "--version").ok().out == version
    assert installed[how].run("python", "-m", "statebake", "--version").ok().out == version
    listed = installed[how].run("statebake", "explain").ok().out
    assert listed.startswith("SB101  ")
    assert installed[how].run("statebake", "explain", "SB301").ok().out.startswith("SB301: ")


@pytest.mark.parametrize("how", HOWS)
def test_dockerfiles(installed, how, tmp_path):
    """Installed in any way, the Dockerfile's template is found: the text is the one that this work tree gives."""
    project = native_project(tmp_path / "shop", component("one"))
    printed = installed[how].run("statebake", "dockerfile", "-p", project, "-o", "-").ok().out
    assert printed == statebake_here("dockerfile", "-o", "-", cwd=project).ok().out
    assert printed.splitlines()[-1] == "COPY --link --from=parts /parts/layer/ /"
    installed[how].run("statebake", "dockerfile", "-p", project).ok()
    assert (project / ".statebake" / "move_state.py").is_file()


@pytest.mark.parametrize("how", HOWS)
def test_bakes(installed, how, tmp_path):
    """The main job works as installed: worker, pex and runtime part are found."""
    project = native_project(tmp_path / "shop", component("one"))
    installed[how].run("statebake", "bake", "pex", "-p", project, "-o", tmp_path / "x.pex", env=CACHE_ENV).ok()
    home = {"HOME": str(tmp_path), "PEX_ROOT": str(tmp_path / "pex-root")}
    assert installed[how].run("python", tmp_path / "x.pex", env=home).ok().out == "one\n"


def test_wheels_are_the_same(wheels):
    """The sdist loses nothing: the wheel that it gives has the files of the direct one."""
    assert _contents(wheels["sdist"]) == _contents(wheels["wheel"])


def test_wheel_contents(wheels):
    """A wheel has the package, its metadata and its license, and nothing of tests, examples or caches."""
    names = set(_contents(wheels["wheel"]))
    version = statebake.__version__
    assert {name.split("/")[0] for name in names} == {"statebake", f"statebake-{version}.dist-info"}
    assert f"statebake-{version}.dist-info/licenses/LICENSE" in names
    source = wheels["clone"] / "src"
    expected = {
        (Path(directory) / name).relative_to(source).as_posix()
        for directory, _, files in os.walk(source, followlinks=True)
        for name in files
        if not directory.endswith("__pycache__")  # the editable install runs there
    }
    assert {name for name in names if name.startswith("statebake/")} == expected
    assert not [name for name in names if "test" in name or name.endswith((".pyc", ".egg-info"))]


def _contents(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return {
            name: hashlib.sha256(archive.read(name)).hexdigest()
            for name in archive.namelist()
            if not name.endswith("/RECORD")
        }


@pytest.fixture(scope="module")
def runtime(tmp_path_factory):
    """The wheel of the runtime part, and an environment that has it and what it requires."""
    root = tmp_path_factory.mktemp("runtime")
    wheel = build_runtime_wheel(root)
    return wheel, Environment.make(root / "venv", wheel)


def test_runtime_wheel_contents(runtime):
    """The runtime wheel has ``runtime``, ``model`` and ``errors``, and says of itself what it is."""
    wheel, _ = runtime
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = archive.read(f"statebake-{statebake.__version__}+runtime.dist-info/METADATA").decode()
        assert archive.testzip() is None
    parts = {name.split("/")[1] for name in names if name.startswith("statebake/")}
    assert parts == {"__init__.py", "errors.py", "py.typed", "model", "runtime"}
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]
    required = [line for line in metadata.splitlines() if line.startswith("Requires-Dist")]
    assert required == ["Requires-Dist: PyYAML>=6.0"]


def test_runtime_wheel_bytes(runtime, tmp_path):
    """The runtime wheel has the same bytes whenever and wherever it is made."""
    wheel, _ = runtime
    time.sleep(2.1)  # a zip file has steps of two seconds
    assert build_runtime_wheel(tmp_path).read_bytes() == wheel.read_bytes()


def test_runtime_wheel_from_every_install(runtime, installed, tmp_path):
    """However the tool was installed, it makes the same runtime wheel: an artifact does not depend on it."""
    for how in HOWS:
        code = "from pathlib import Path\nfrom statebake.bake.runtime_wheel import build_runtime_wheel\n"
        place = tmp_path / how
        place.mkdir()
        path = installed[how].ask(f"{code}answer = str(build_runtime_wheel(Path({str(place)!r})))")
        assert (place / path).read_bytes() == runtime[0].read_bytes()


def test_runtime_alone(runtime, tmp_path):
    """With PyYAML and nothing else, a program declares, reads state and builds; no build-time part is imported."""
    _, environment = runtime
    dists = environment.ask(
        "from importlib.metadata import distributions\nanswer = sorted(d.name.lower() for d in distributions())"
    )
    assert dists == ["pyyaml", "statebake"]
    project = native_project(tmp_path / "shop", component("one"))
    script = f"""
import sys
sys.path.insert(0, {str(project / "src")!r})
import os
os.environ["STATEBAKE_DEV"] = "1"
import statebake
from statebake import load_defs
built = [str(it) for it in load_defs("shop")]
everything = [getattr(statebake, name) for name in statebake.__all__]
build_time = {{"pex", "docker", "rich", "click", "jinja2", "packaging", "pathspec", "tomli"}}
answer = {{
    "built": built,
    "imported": sorted(build_time & {{name.partition(".")[0] for name in sys.modules}}),
    "own": sorted({{name.split(".")[1] for name in sys.modules if name.startswith("statebake.")}}),
}}
"""
    assert environment.ask(script) == {"built": ["one"], "imported": [], "own": ["errors", "model", "runtime"]}


def test_the_tool_is_not_in_the_runtime(runtime):
    """Where only the runtime part is, ``python -m statebake`` cannot be, and nothing pretends otherwise."""
    _, environment = runtime
    assert environment.run("python", "-m", "statebake").code != 0
    assert not (environment.directory / "bin" / "statebake").exists()
    assert sys.executable != str(environment.python)
