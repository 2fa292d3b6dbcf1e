"""Where packages are said to lie, by the tables of every backend, and where they are then looked for."""

from __future__ import annotations

import os
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statebake.config.layout import moves_packages, package_roots
from statebake.config.modules import import_root, module_path, source_roots

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOTS = [
    ("", ()),
    ('[tool.setuptools]\npackage-dir = {"" = "python"}', ("python",)),
    ('[tool.setuptools.packages.find]\nwhere = ["python", "./python/", "libs/a"]', ("python", "libs/a")),
    ('[tool.hatch.build.targets.wheel]\npackages = ["python/shop", "python/more"]', ("python",)),
    ('[tool.hatch.build.targets.wheel]\npackages = ["shop"]', (".",)),
    ('[tool.hatch.build]\nsources = ["python"]', ("python",)),
    ('[tool.hatch.build]\nsources = {"python" = "", "code" = "shop"}', ("python",)),
    ('[tool.poetry]\npackages = [{include = "shop", from = "lib"}]', ("lib",)),
    ('[tool.pdm.build]\npackage-dir = "python"', ("python",)),
    ('[tool.uv.build-backend]\nmodule-root = ""', (".",)),
    ('[tool.maturin]\npython-source = "python"', ("python",)),
    ('[tool.pdm.build]\npackage-dir = "../python"', ()),
    ('[tool.pdm.build]\npackage-dir = "/python"', ()),
]


@pytest.mark.parametrize(("text", "expected"), ROOTS)
def test_roots(text, expected):
    """Every backend's way to say where packages lie is known; what is outside of the project is none."""
    assert package_roots(tomllib.loads(text), {}) == expected


MOVES = [
    *((text, None) for text, roots in ROOTS if len(roots) < 2 and "code" not in text),
    ('[tool.setuptools]\npackage-dir = {"" = "src", aux = "libs/aux"}', "[tool.setuptools] package-dir says where"),
    ('[tool.hatch.build.targets.wheel]\nsources = {"code" = "shop"}', "[tool.hatch.build.targets.wheel] sources says"),
    ('[tool.poetry]\npackages = [{include = "shop", to = "acme"}]', "[tool.poetry] packages says where"),
    ('[tool.setuptools.packages.find]\nwhere = ["src", "libs"]', "its packages are in several directories: src, libs"),
    ('[tool.poetry]\npackages = [{include = "a"}, {include = "b", from = "src"}]', "directories: ., src"),
]


@pytest.mark.parametrize(("text", "expected"), MOVES)
def test_what_only_a_build_knows(text, expected):
    """Packages with other names, or from several directories, are told from those that a copy has as well."""
    found = moves_packages(tomllib.loads(text), {})
    assert found == expected or (expected and expected in found)


def test_hatch_toml():
    """What is in `hatch.toml` counts as what is in `[tool.hatch]`."""
    hatch = {"build": {"targets": {"wheel": {"packages": ["python/shop"], "sources": {"code": "shop"}}}}}
    assert package_roots({}, hatch) == ("python",)
    assert moves_packages({}, hatch) == "[build.targets.wheel] sources says where packages are"


_VALUES = st.recursive(st.none() | st.integers() | st.text(), lambda it: st.lists(it) | st.dictionaries(st.text(), it))


@given(
    st.fixed_dictionaries(
        {
            "setuptools": st.fixed_dictionaries({"package-dir": _VALUES, "packages": _VALUES}),
            "hatch": st.fixed_dictionaries({"build": st.fixed_dictionaries({"sources": _VALUES, "packages": _VALUES})}),
            "poetry": st.fixed_dictionaries({"packages": _VALUES}),
        }
    )
)
def test_anything_else(tool):
    """Whatever stands there instead is for the backend to judge."""
    package_roots({"tool": tool}, {})
    moves_packages({"tool": tool}, {})


def test_a_package_is_found_there(tmp_path):
    """The package is found below the root that is named, before ``src`` and the project, once it is there."""
    file = tmp_path / "pyproject.toml"
    file.write_text("[project]\n")
    (tmp_path / "python/shop/defs").mkdir(parents=True)
    assert (source_roots(tmp_path), module_path(tmp_path, "shop")) == ((tmp_path,), None)
    file.write_text('[tool.pdm.build]\npackage-dir = "python"\n')
    os.utime(file, ns=(1, 1))
    assert source_roots(tmp_path) == (tmp_path / "python", tmp_path)
    assert module_path(tmp_path, "shop.defs") == tmp_path / "python/shop/defs"
    assert import_root(tmp_path, tmp_path / "python/shop/defs") == tmp_path / "python"
    (tmp_path / "src").mkdir()
    assert source_roots(tmp_path) == (tmp_path / "python", tmp_path / "src", tmp_path)
    (tmp_path / "src").rmdir()
    (tmp_path / "lib").mkdir()
    (tmp_path / "hatch.toml").write_text('[build.targets.wheel]\npackages = ["lib/shop"]\n')
    assert source_roots(tmp_path) == (tmp_path / "lib", tmp_path / "python", tmp_path)
    (tmp_path / "hatch.toml").unlink()
    file.write_text("[")
    os.utime(file, ns=(2, 2))
    assert source_roots(tmp_path) == (tmp_path,)
