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
    assert read_variables(tmp_path, {"ONE", "TWO", "THREE"}) == {"ONE", "TWO"}


def test_an_unreadable_source(tmp_path, monkeypatch):
    """A source that this user may not read is left out: nothing ends because of it."""
    write_tree(tmp_path, {"a.py": "EnvVar('ONE')", "b.py": "EnvVar('TWO')"})
    read = type(tmp_path).read_bytes

    def refuse(path):
        if path.name == "b.py":
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(type(tmp_path), "read_bytes", refuse)
    assert read_variables(tmp_path, {"ONE", "TWO"}) == {"ONE"}
