"""Files that should not ship, by their names."""

from __future__ import annotations

import pytest

from statebake.hygiene.unwanted import SCRUBBED, unwanted, unwanted_root
from statebake.refresh.ignore import is_ignored, parse_rules


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("project/.env", "a file of variables"),
        ("project/.env.production", "a file of variables"),
        ("project/.git/config", "a git checkout"),
        ("project/dbt_packages/x/.git/objects/ab/cdef", "a git checkout"),
        ("project/.git", "a link to a git checkout"),
        ("project/.venv/bin/python", "a virtual environment"),
        ("project/.user.yml", "dbt's number of this user"),
        ("server.pem", "a key or certificate"),
        (".ssh/id_ed25519", "a directory of SSH keys"),
        ("keys/id_ed25519", "an SSH key"),
    ],
)
def test_named(path, what):
    """What belongs to the machine that it was made on is told by its name, in any directory."""
    assert unwanted(path) == what


@pytest.mark.parametrize(
    "path",
    [
        "state",
        "project/.env.example",
        "project/profiles.yml",
        "project/.gitignore",
        "project/.github/workflows/ci.yml",
        "environment/env.py",
        "certifi/cacert.pem",
        "layer.tar!etc/ssl/certs/ISRG_Root_X1.pem",
        ".github",
    ],
)
def test_not_named(path):
    """What ships on purpose is left alone: examples, root certificates, git's files of rules."""
    assert unwanted(path) is None


def test_a_directory_is_told_of_once():
    """All that is in one unwanted directory has one name."""
    assert unwanted_root("project/.git/objects/ab/cdef") == "project/.git/"
    assert unwanted_root("project/.env") == "project/.env"


@pytest.mark.parametrize("path", [".env", "project/.env.local", "a/b/x.pem", "project/.user.yml", "id_rsa"])
def test_scrubbing_leaves_out_what_is_named(path):
    """The patterns of a scrub match what the names tell."""
    assert unwanted(path)
    assert is_ignored(parse_rules(SCRUBBED), path, is_dir=False)


def test_scrubbing_keeps_the_rest():
    """Examples and root certificates stay, and so does git's checkout: its remotes are scrubbed instead."""
    rules = parse_rules(SCRUBBED)
    kept = (".env.example", "a/cacert.pem", "state", "profiles.yml")
    assert not any(is_ignored(rules, path, is_dir=False) for path in kept)
    assert not is_ignored(rules, ".git", is_dir=True)
    assert all(is_ignored(rules, f"project/{name}", is_dir=True) for name in (".venv", ".ssh", ".aws", ".hg", ".svn"))
