"""What pip gets in a build."""

from __future__ import annotations

from pathlib import Path

import pytest

from statebake.bake.image.dependencies import image_dependencies
from statebake.errors import Code, StatebakeError
from support.trees import write_tree

HASH = f"--hash=sha256:{'0' * 64}"


def lines(found, name="requirements.txt"):
    first, *rest = found.files[name].decode().splitlines()
    assert first == "# Written by statebake, from uv.lock."
    return rest


@pytest.fixture
def root(tmp_path):
    """A directory with a project in ``apps/shop``, local code in ``libs/common``, and a wheel."""
    return write_tree(
        tmp_path.resolve(),
        {"apps/shop/pyproject.toml": "", "libs/common/pyproject.toml": "", "w/own-1-py3-none-any.whl": "wheel"},
    )


def made(root, text, **options):
    return image_dependencies(text, root / "apps" / "shop", source="uv.lock", **options)


def test_as_they_are(root):
    """Pins, markers, hashes and options of the index stay what they are, and the context is the project."""
    text = f"--index-url https://example.com/simple\na==1 ; python_version < '3.12' {HASH}\nb==2 {HASH}\n"
    found = made(root, text)
    assert lines(found) == text.splitlines()
    assert set(found.files) == {"requirements.txt"}
    assert found.context == root / "apps" / "shop"


def test_local_code(root):
    """A directory beside the project makes the context larger; however it is written, it is installed, not linked."""
    common = root / "libs" / "common"
    for line, expected in [
        (f"-e {common}", "/build/local/libs/common"),
        (f"--editable={common}", "/build/local/libs/common"),
        (f"{common}[extra] ; python_version > '3'", "/build/local/libs/common[extra] ; python_version > '3'"),
        (f"common @ file://{common}", "common @ file:///build/local/libs/common"),
    ]:
        found = made(root, f"a==1\n{line}\n")
        assert lines(found) == ["a==1", expected]
        assert found.context == root
        assert found.directories == ("libs/common",)


def test_inside_the_project(root):
    """Local code in the project leaves the context what it is."""
    write_tree(root, {"apps/shop/vendor/x/pyproject.toml": ""})
    found = made(root, f"{root}/apps/shop/vendor/x\n{root}/apps/shop/vendor/x\n")
    assert found.context == root / "apps" / "shop"
    assert found.directories == ("vendor/x",)


def test_wheels(root):
    """A file is taken along, and named by its place there."""
    wheel = root / "w" / "own-1-py3-none-any.whl"
    found = made(root, f"{wheel}\n", wheels=[wheel])
    assert found.files["wheels/own-1-py3-none-any.whl"] == b"wheel"
    assert lines(found) == ["/build/wheels/own-1-py3-none-any.whl"] * 2
    assert found.directories == ()


def test_what_has_no_hash(root):
    """Beside hashes, what cannot have one goes into a second file, with the options of the index."""
    wheel = root / "w" / "own-1-py3-none-any.whl"
    text = f"--index-url https://example.com/simple\na==1 {HASH}\n-e {root}/libs/common\n{wheel} {HASH}\n"
    found = made(root, text, wheels=[wheel])
    assert lines(found) == [
        "--index-url https://example.com/simple",
        f"a==1 {HASH}",
        f"/build/wheels/own-1-py3-none-any.whl {HASH}",
    ]
    assert lines(found, "unhashed.txt") == [
        "--index-url https://example.com/simple",
        "/build/local/libs/common",
        "/build/wheels/own-1-py3-none-any.whl",
    ]


def test_constraints(root):
    """Constraints come along in one file, with the framework's version that the state was checked with."""
    write_tree(root, {"limits.txt": "a<2\n-r more.txt\n", "more.txt": "b<3\n"})
    found = made(root, f"a\n--constraint {root}/limits.txt\n# sha256:00\n", checked_with="dagster==1.13.27")
    assert lines(found) == ["--constraint constraints.txt", "a"]
    assert lines(found, "constraints.txt") == ["a<2", "b<3", "dagster==1.13.27"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{root}/nowhere.whl", "No such file"),
        ("/usr/lib", "shares no directory"),
        ("{root}/o'dd", "cannot be told a path with these characters"),
    ],
)
def test_what_cannot_be_given(root, line, said):
    """A file that is not there, code that has nothing in common with the project, a path that pip misreads: refused."""
    write_tree(root, {"o'dd/pyproject.toml": ""})
    with pytest.raises(StatebakeError) as caught:
        made(root, line.format(root=root) + "\n")
    assert caught.value.code is Code.BAD_SETTING
    assert said in caught.value.message


@pytest.mark.parametrize(
    "text",
    [
        "a\n--extra-index-url https://bob:s3cretpassw0rd@pypi.acme.io/simple\n",
        f"a==1 {HASH}\n--index-url https://bob:s3cretpassw0rd@pypi.acme.io/simple\n",
        "a @ https://bob:s3cretpassw0rd@git.acme.io/a-1-py3-none-any.whl\n",
        "a\n--constraint {root}/limits.txt\n",
    ],
)
def test_credentials(root, text):
    """A password in a URL is refused, for the build copies these files; a variable, or a user alone, is none."""
    write_tree(root, {"limits.txt": "b @ git+https://bob:s3cretpassw0rd@git.acme.io/b\n"})
    with pytest.raises(StatebakeError) as caught:
        made(root, text.replace("{root}", str(root)))
    assert (caught.value.code, caught.value.where) == (Code.BAD_SETTING, "uv.lock")
    assert "s3cret" not in str(caught.value)
    assert "id=netrc" in caught.value.next_step
    made(root, "--index-url https://${USER}:${TOKEN}@pypi.acme.io/simple\na @ git+ssh://git@git.acme.io/a\n")


def test_two_files_of_one_name(root):
    """Two different files with one name are refused."""
    write_tree(root, {"v/own-1-py3-none-any.whl": "another"})
    text = "".join(f"{root}/{name}/own-1-py3-none-any.whl\n" for name in "wv")
    with pytest.raises(StatebakeError, match="Two different files"):
        made(root, text)


def test_paths_are_absolute_in_the_build(root):
    """Every local path in a file is one of the build's, never one of this machine."""
    found = made(root, f"-e {root}/libs/common\n{root}/w/own-1-py3-none-any.whl\n")
    assert not [line for line in lines(found) if str(Path(root)) in line]
