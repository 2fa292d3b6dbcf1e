"""Which modules ask for the metadata of the project that they are part of."""

from __future__ import annotations

import pytest

from statebake.bake.own_metadata import asks_for_itself

ASKING = [
    "from importlib.metadata import version\n__version__ = version('acme-shop')",
    "from importlib import metadata\nmetadata.metadata(distribution_name='Acme.Shop')['Version']",
    "import importlib_metadata as m\nm.distribution(__name__)",
    "import importlib.metadata\ntry:\n  v = importlib.metadata.version(__package__ or 'x')\nfinally: pass",
    "import pkg_resources\npkg_resources.get_distribution('acme_shop').version",
    "from importlib.metadata import version\nNAME: str = 'acme-shop'\n\ndef shown():\n    return version(NAME)",
    "from importlib.metadata import version\nPATTERN = '\\d'\nversion('acme-shop')",
]
OTHERS = [
    "",
    "def version(name): ...\nversion('acme-shop')",
    "from importlib.metadata import version\nversion('dagster')",
    "from importlib.metadata import entry_points\nentry_points(group='acme.plugins')",
    "from importlib.metadata import version\nNAME = 'dagster'\nversion(NAME)\nlogging.getLogger(__name__)",
    "from importlib.metadata import version\nfrom importlib.resources import files\nfiles('acme_shop')",
    "from importlib.metadata import version\nversion('acme-shop'",
    "from importlib.metadata import version\n\0",
]


@pytest.mark.parametrize("text", ASKING)
def test_asking(text):
    """A name is the project's in every spelling of it, in a variable, and as that of the module itself."""
    assert asks_for_itself(text, {"Acme_Shop"})


@pytest.mark.parametrize("text", OTHERS)
def test_others(text):
    """Other distributions, other functions, and what does not parse are none of the build's business."""
    assert not asks_for_itself(text, {"Acme_Shop"})
