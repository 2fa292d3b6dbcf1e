"""Which variables a project has, and which of them it reads."""

from __future__ import annotations

import pytest

from statebake.config import Settings, find_projects
from statebake.pipeline.secrets import read_variables, secrets_of
from support.trees import write_tree


@pytest.mark.parametrize(
    "line",
    [
        "SHOP_TOKEN=k3k9xq0w#z7",
        "export SHOP_TOKEN = k3k9xq0w#z7",
        "SHOP_TOKEN=k3k9xq0w#z7 # of the shop",
        "SHOP_TOKEN='k3k9xq0w#z7' # of the shop",
        'SHOP_TOKEN="k3k9xq0w#z7"',
    ],
)
def test_a_file_of_variables(tmp_path, line):
    """A value in the project's .env is known without its quotation marks and without the comment after it."""
    write_tree(tmp_path, {"pyproject.toml": "[project]\nname = 'shop'\n", ".env": f"# all\n{line}\n\nodd\n"})
    [project] = find_projects([tmp_path], tmp_path)
    assert [secret.value for secret in secrets_of(project, Settings(), {}).secrets] == ["k3k9xq0w#z7"]


def test_sources(tmp_path):
    """What the project's code and declarations read is known; links, and what cannot be read, are left out."""
    write_tree(tmp_path, {"a.py": "EnvVar('ONE')", "defs/defs.yaml": "x: '{{ env.TWO }}'", "other": "EnvVar('THREE')"})
    (tmp_path / "link.py").symlink_to(tmp_path / "other")
    (tmp_path / "gone.py").symlink_to(tmp_path / "nothing")
    assert read_variables(tmp_path, dict.fromkeys(("ONE", "TWO", "THREE"), "x")) == {"ONE", "TWO"}


def test_an_unreadable_source(tmp_path, monkeypatch):
    """A source that this user may not read is left out: nothing ends because of it."""
    write_tree(tmp_path, {"a.py": "EnvVar('ONE')", "b.py": "EnvVar('TWO')"})
    read = type(tmp_path).read_bytes

    def refuse(path):
        if path.name == "b.py":
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(type(tmp_path), "read_bytes", refuse)
    assert read_variables(tmp_path, dict.fromkeys(("ONE", "TWO"), "x")) == {"ONE"}


@pytest.mark.parametrize(
    ("url", "secrets"),
    [
        ("postgres://dagster:Wq7Kz9Lm2Xv4@db.internal/shop", ["Wq7Kz9Lm2Xv4"]),
        ("https://Wq7Kz9Lm2Xv4@git.internal/shop.git", ["Wq7Kz9Lm2Xv4"]),
        ("postgres://dagster_loader@db.internal/shop", []),
        ("https://api.internal/shop", []),
    ],
)
def test_credentials_in_a_url(tmp_path, url, secrets):
    """The name of a URL's variable says that it is no secret, unless it has a password in it."""
    write_tree(tmp_path, {"pyproject.toml": "[project]\nname = 'shop'\n", "defs.yaml": "x: '{{ env.DATABASE_URL }}'"})
    [project] = find_projects([tmp_path], tmp_path)
    found = secrets_of(project, Settings(), {"DATABASE_URL": url})
    assert ([secret.value for secret in found.secrets], found.ignored) == (secrets, ())
