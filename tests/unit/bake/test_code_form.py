"""In which form the project's code goes into a PEX."""

from __future__ import annotations

import sys

import pytest

from statebake.bake.code_form import CodeForm, code_form
from statebake.config import backend_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HATCHLING = '[build-system]\nbuild-backend = "hatchling.build"\n'
WRAPPED = '[build-system]\nbuild-backend = "statebake.backend"\n[tool.statebake]\nbuild-backend = "hatchling.build"\n'


def form(text, setting="auto", **others):
    pyproject = tomllib.loads(text)
    usual = {"is_package": True, "hatch": {}, "setup_py": None, "setup_cfg": None, "sources": ["shop/__init__.py"]}
    return code_form(setting, pyproject, backend=backend_of(pyproject), **{**usual, **others})


FILES = {
    "nothing to build": (HATCHLING, {}),
    "the state's own hook": (HATCHLING + "[tool.hatch.build.hooks.statebake]\n", {}),
    "statebake's backend": (WRAPPED, {}),
    "what only dg reads": (HATCHLING + '[project.entry-points."dagster_dg_cli.registry_modules"]\nx = "x"\n', {}),
    "an empty table": (HATCHLING + "[project.scripts]\n", {}),
    "a script that nothing installs": ('[project.scripts]\nshop = "shop:main"\n', {}),
    "a plain setup.py": ("", {"setup_py": "from setuptools import setup\nsetup(name='shop', packages=['shop'])\n"}),
    "a setup.py that does not parse": ("", {"setup_py": "setup(ext_modules=\n"}),
    "a single module": (HATCHLING + '[project.scripts]\nshop = "shop:main"\n', {"is_package": False}),
    "the state's own hook in hatch.toml": (HATCHLING, {"hatch": {"build": {"hooks": {"statebake": {}}}}}),
    "Dagster's scaffold": (
        HATCHLING + '[tool.hatch.build.targets.wheel.force-include]\n"pyproject.toml" = "pyproject.toml"\n',
        {},
    ),
    "packages below src": (HATCHLING, {"hatch": {"build": {"targets": {"wheel": {"packages": ["src/shop"]}}}}}),
    "what is no table": (HATCHLING + "[project]\nscripts = 1\n[tool]\nhatch = []\n", {}),
}


@pytest.mark.parametrize("case", FILES)
def test_files(case):
    """Where a build would only copy, or there is none, the files go in as they are."""
    text, others = FILES[case]
    assert not form(text, **others).as_wheel


WHEEL = {
    "[project.scripts]": (HATCHLING + '[project.scripts]\nshop = "shop:main"\n', {}),
    "[project.gui-scripts]": (HATCHLING + '[project.gui-scripts]\nshop = "shop:main"\n', {}),
    "[project.entry-points]": (HATCHLING + '[project.entry-points."shop.plugins"]\nx = "shop"\n', {}),
    "[tool.poetry.scripts]": (
        '[build-system]\nbuild-backend = "poetry.core.masonry.api"\n[tool.poetry.scripts]\nshop = "shop:main"\n',
        {},
    ),
    "[tool.hatch.build.hooks.vcs]": (HATCHLING + '[tool.hatch.build.hooks.vcs]\nversion-file = "v.py"\n', {}),
    "[tool.hatch.build.targets.wheel.hooks.custom]": (WRAPPED + "[tool.hatch.build.targets.wheel.hooks.custom]\n", {}),
    "[build.hooks.vcs]": (HATCHLING, {"hatch": {"build": {"hooks": {"vcs": {"version-file": "v.py"}}}}}),
    "[tool.setuptools_scm.version_file]": (HATCHLING + '[tool.setuptools_scm]\nversion_file = "v.py"\n', {}),
    "[tool.setuptools.ext-modules]": (HATCHLING + '[[tool.setuptools.ext-modules]]\nname = "x"\n', {}),
    "which compiles": ('[build-system]\nbuild-backend = "mesonpy"\n', {}),
    "setup.py has extensions": (
        "",
        {"setup_py": "import setuptools as s\ns.setup(ext_modules=[s.Extension('x', [])])"},
    ),
    "setup.py has build commands": ("", {"setup_py": "setup(cmdclass={})"}),
    "setup.cfg declares": (HATCHLING, {"setup_cfg": "[options.entry_points]\nconsole_scripts =\n  shop = shop:main\n"}),
    "setup.py gives what only running it tells": ("", {"setup_py": "more = {}\nsetup(name='shop', **more)"}),
    "setup.py has files for other places": ("", {"setup_py": "setup(data_files=[('etc', ['a.cfg'])])"}),
    "[tool.setuptools-rust] says": (HATCHLING + '[[tool.setuptools-rust.ext-modules]]\ntarget = "shop._rust"\n', {}),
    "[tool.setuptools.script-files]": (HATCHLING + '[tool.setuptools]\nscript-files = ["bin/x"]\n', {}),
    "[tool.setuptools.data-files]": (HATCHLING + '[tool.setuptools.data-files]\netc = ["a.cfg"]\n', {}),
    "[tool.hatch.build.targets.wheel.force-include]": (
        HATCHLING + '[tool.hatch.build.targets.wheel.force-include]\n"data/a.json" = "shop/a.json"\n',
        {},
    ),
    "[build.targets.wheel.shared-scripts]": (
        HATCHLING,
        {"hatch": {"build": {"targets": {"wheel": {"shared-scripts": {"bin": "."}}}}}},
    ),
    "[build.targets.wheel] sources says where": (
        HATCHLING,
        {"hatch": {"build": {"targets": {"wheel": {"sources": {"code": "shop"}}}}}},
    ),
    "[tool.uv.build-backend.data]": (HATCHLING + '[tool.uv.build-backend.data]\nscripts = "bin"\n', {}),
    "[tool.poetry-dynamic-versioning.substitution]": (
        HATCHLING + '[tool.poetry-dynamic-versioning.substitution]\nfiles = ["shop/__init__.py"]\n',
        {},
    ),
    "its build backend is poetry_dynamic_versioning.backend": (
        '[build-system]\nbuild-backend = "poetry_dynamic_versioning.backend"\n',
        {},
    ),
    "shop/about.py asks for the metadata": (HATCHLING, {"asking": ["shop/about.py"]}),
    "shop/fast.pyx has to be compiled": (HATCHLING, {"sources": ["shop/__init__.py", "shop/fast.pyx"]}),
}


@pytest.mark.parametrize("reason", WHEEL)
def test_wheel(reason):
    """What only a build makes has the project go in as a wheel, and the reason is named."""
    text, others = WHEEL[reason]
    found = form(text, **others)
    assert found.as_wheel
    assert reason in found.why


def test_what_was_asked_for():
    """The setting is stronger than what the files say."""
    scripts = WHEEL["[project.scripts]"][0]
    assert form(scripts, "files") == CodeForm(False, "asked for by pex.code")
    assert form(HATCHLING, "wheel") == CodeForm(True, "asked for by pex.code")
