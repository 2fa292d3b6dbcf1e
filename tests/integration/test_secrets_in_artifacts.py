"""Secrets in artifacts: wherever they are, in a PEX, a wheel, an environment or an image, nothing passes."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import shutil
import zipfile
from pathlib import Path

import pytest

from support.cli import Result, statebake
from support.loading import READ, loads, project
from support.pexes import bake, rewrite
from support.trees import write_tree

VALUE = "v4lue-of/a+secret:" + "Zx9" * 3
ENV = {"SHOP_PASSWORD": VALUE}
RANDOM = base64.b64encode(hashlib.sha512(b"of this test").digest()).decode().replace("/", "a").replace("+", "b")
TOKEN = "ghp_" + RANDOM[:36]
STATE = "src/shop/defs/.local_defs_state"
Found = list[tuple[str, str, str]]


def findings(result: Result) -> Found:
    """Return severity, code and message of what a verification, alone or of a bake, found."""
    document = result.json
    reports = document["reports"] if "reports" in document else document["projects"][0]["verification"]["reports"]
    assert VALUE not in result.out + result.err
    assert TOKEN not in result.out + result.err
    return [(item["severity"], item["code"], item["message"]) for one in reports for item in one["findings"]]


def verify(root: Path, artifact: Path | str, *args: str, env: dict[str, str] | None = None) -> Result:
    return statebake("verify", artifact, *args, "--format", "json", cwd=root, env=ENV if env is None else env)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with state, and a PEX of it."""
    root = tmp_path_factory.mktemp("made")
    bake(project(root / "shop", loads("one", READ), loads("two", READ)), root / "shop.pex", "--no-refresh").ok()
    return root


def with_file(pex: Path, place: Path, name: str, content: bytes) -> Path:
    """Return a copy of a PEX with one more file."""
    shutil.copy(pex, place)
    with zipfile.ZipFile(place, "a") as archive:
        archive.writestr(name, content)
    return place


def zipped(content: bytes, name: str = "inner.txt") -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return stream.getvalue()


SECRET = VALUE.encode()
IN_PEX = {
    "plain": ("shop/x.txt", b"0123" + SECRET, "shop/x.txt has the value of SHOP_PASSWORD, at byte 4."),
    "base64": (
        "shop/x.txt",
        base64.b64encode(b"u:" + SECRET),
        "shop/x.txt has the value of SHOP_PASSWORD, as base64, at",
    ),
    "gzip": ("shop/x.gz", gzip.compress(SECRET), "shop/x.gz!"),
    "zip": (".deps/x.whl", zipped(SECRET), ".deps/x.whl!inner.txt has the value of SHOP_PASSWORD, at byte 0."),
    "package": (".deps/x.whl/pkg/x.py", SECRET, ".deps/x.whl/pkg/x.py has the value of SHOP_PASSWORD, at byte 0."),
    "token": ("shop/x.txt", TOKEN.encode(), "shop/x.txt has a GitHub token, at byte 0."),
}


@pytest.mark.parametrize("where", IN_PEX)
def test_in_a_pex(made: Path, tmp_path: Path, where: str) -> None:
    """It is told with its file and offset, inside of what is packed too, and the value is not shown."""
    name, content, says = IN_PEX[where]
    result = verify(made / "shop", with_file(made / "shop.pex", tmp_path / "x.pex", name, content))
    [(severity, code, message)] = findings(result)
    assert (result.code, severity, code) == (5, "error", "SB502" if where == "token" else "SB501")
    assert message.startswith(says)


def test_in_a_package_of_others(made: Path, tmp_path: Path) -> None:
    """What looks like a credential in a published package is only counted, but not in what says where it came from."""
    name = ".deps/x-1-py3-none-any.whl/pkg/tests/x.py"
    result = verify(made / "shop", with_file(made / "shop.pex", tmp_path / "x.pex", name, TOKEN.encode())).ok()
    assert findings(result) == []
    assert [
        note for note in result.json["reports"][0]["notes"] if "1 file of installed packages was not judged" in note
    ]
    name = ".deps/x-1-py3-none-any.whl/x-1.dist-info/direct_url.json"
    url = json.dumps({"url": "https://loader:" + RANDOM[:20] + "@index.shop.internal/x-1.whl"})
    result = verify(made / "shop", with_file(made / "shop.pex", tmp_path / "y.pex", name, url.encode()))
    assert [code for _, code, _ in findings(result)] == ["SB502"]


def test_in_a_package_that_nobody_published(made: Path, tmp_path: Path) -> None:
    """One from a directory or a repository is the project's own: of those a PEX was told, and packages say it."""

    wheel = ".deps/my_lib-1-py3-none-any.whl"
    for url, count in (("file:///x", 1), ("git+https://x/y@main", 1), ("file:///x/my_lib-1-py3-none-any.whl", 0)):

        def change(name: str, content: bytes, url: str = url) -> bytes:
            told = f'"requirements":["My.lib @ {url}",'.encode()
            return content.replace(b'"requirements":[', told) if name == "PEX-INFO" else content

        pex = rewrite(made / "shop.pex", tmp_path / "told.pex", change)
        for name, content in ((f"{wheel}/pkg/x.py", TOKEN.encode()), (wheel, zipped(TOKEN.encode(), "pkg/x.py"))):
            result = verify(made / "shop", with_file(pex, tmp_path / "x.pex", name, content))
            assert [code for _, code, _ in findings(result)] == ["SB502"] * count


@pytest.mark.parametrize(
    ("file", "origin", "count"),
    [
        ("my_lib-1.dist-info/METADATA", {"url": "file:///x", "dir_info": {}}, 1),
        ("my_lib/x.py", {"url": "file:///x", "dir_info": {}, "more": "x" * (1 << 20)}, 0),
        ("my_lib/x.py", {"url": "file:///x", "dir_info": {}}, 1),
        ("my_lib.py", {"url": "https://x/y", "vcs_info": {"vcs": "git", "commit_id": "1"}}, 1),
        ("my_lib/x.py", {"url": "file:///x/my_lib-1-py3-none-any.whl", "archive_info": {}}, 0),
        ("my_lib/x.py", {"url": "file:///home/conda/feedstock_root/my-lib_1699999999999/work", "dir_info": {}}, 0),
        ("other/x.py", {"url": "file:///x", "dir_info": {}}, 0),
        ("my_lib/x.py", [], 0),
    ],
)
def test_where_a_package_says_that_it_came_from(made: Path, tmp_path: Path, file: str, origin: object, count: int):
    """One from a directory or a repository is the project's own, not one from a wheel, or that conda has built so."""
    files = {file: TOKEN, "my_lib-1.dist-info/direct_url.json": json.dumps(origin)}
    site = tmp_path / "lib/python3.11/site-packages"
    shutil.copytree(made / "shop/src", site)
    write_tree(site, files)
    write_tree(tmp_path, {"pyvenv.cfg": ""})
    found = [code for _, code, _ in findings(verify(made / "shop", tmp_path))]
    assert found.count("SB502") == count


@pytest.mark.parametrize("place", ["", "lib/python3.11/site-packages"])
def test_packages_from_an_index(made: Path, tmp_path: Path, place: str) -> None:
    """They are not judged, wherever they are installed: into an environment, or with ``--target``."""
    site = tmp_path / place
    shutil.copytree(made / "shop/src", site, dirs_exist_ok=True)
    write_tree(site, {"requests/conf.py": TOKEN, "requests-1.dist-info/INSTALLER": "pip"})
    write_tree(tmp_path, {"pyvenv.cfg": ""} if place else {})
    result = verify(made / "shop", tmp_path)
    assert [code for _, code, _ in findings(result) if code == "SB502"] == []
    (site / "shop/conf.py").write_text(TOKEN)
    assert [code for _, code, _ in findings(verify(made / "shop", tmp_path)) if code == "SB502"] == ["SB502"]


def test_what_only_looks_like_a_package_of_others(made: Path, tmp_path: Path) -> None:
    """A directory called site-packages in the project's own code is its own, in a PEX as in a wheel."""
    name = "shop/site-packages/x/leak.py"
    result = verify(made / "shop", with_file(made / "shop.pex", tmp_path / "x.pex", name, TOKEN.encode()))
    assert [(severity, code) for severity, code, _ in findings(result)] == [("error", "SB502")]


def test_no_state_by_its_name_alone(made: Path, tmp_path: Path) -> None:
    """What a key's settings allow in its state they do not in an archive that has a path like it inside."""
    root = shutil.copytree(made / "shop", tmp_path / "shop")
    write_tree(root, {"statebake.toml": '[keys."Text[one]"]\nsecrets.mode = "off"\n'})
    packed = zipped(SECRET, f"x/{STATE[4:]}/Text__one__/a.json")
    result = verify(root, with_file(made / "shop.pex", tmp_path / "x.pex", "shop/data.zip", packed))
    assert [(severity, code) for severity, code, _ in findings(result)] == [("error", "SB501")]


def test_in_state(made: Path, tmp_path: Path) -> None:
    """What is allowed for a key is allowed in its state only, in an artifact too."""
    root = shutil.copytree(made / "shop", tmp_path / "shop")
    write_tree(root, {"statebake.toml": '[keys."Text[one]"]\nsecrets.allow = ["note.txt"]\n'})
    name = f"{STATE[4:]}/Text__one__/note.txt"
    result = verify(root, with_file(made / "shop.pex", tmp_path / "x.pex", name, SECRET))
    assert [code for _, code, _ in findings(result) if code.startswith("SB5")] == []
    other = with_file(made / "shop.pex", tmp_path / "y.pex", name.replace("one", "two"), SECRET)
    assert [code for _, code, _ in findings(verify(root, other)) if code.startswith("SB5")] == ["SB501"]
    (root / "statebake.toml").unlink()
    result = verify(root, tmp_path / "x.pex")
    assert [code for _, code, _ in findings(result) if code.startswith("SB5")] == ["SB501"]
    assert result.code == 5


def test_paths_of_the_building_machine(made: Path, tmp_path: Path) -> None:
    """State that names the place where it was fetched to, or a home, is told, wherever the artifact is verified."""
    text = b"/build/.local_defs_state/.staging/1/x /root/x"
    pex = with_file(made / "shop.pex", tmp_path / "x.pex", f"{STATE[4:]}/Text__one__/note.txt", text)
    found = findings(verify(tmp_path, with_file(pex, tmp_path / "y.pex", "shop/x.txt", text), env={"HOME": "/root"}))
    assert [(severity, message) for severity, code, message in found if code == "SB504"] == [
        ("warning", f"{STATE[4:]}/Text__one__/note.txt has the path that it was fetched to, at byte 6."),
        ("warning", f"{STATE[4:]}/Text__one__/note.txt has a path of this user's home directory, at byte 38."),
    ]


def test_one_key_where_all_else_is_off(made: Path, tmp_path: Path) -> None:
    """A key whose own settings ask for the search is searched, though nobody looks at the rest."""
    root = shutil.copytree(made / "shop", tmp_path / "shop")
    write_tree(root, {"statebake.toml": 'secrets.mode = "off"\n[keys."Text[one]"]\nsecrets.mode = "error"\n'})
    pex = with_file(made / "shop.pex", tmp_path / "x.pex", "shop/x.txt", SECRET)
    assert findings(verify(root, pex).ok()) == []
    other = with_file(pex, tmp_path / "y.pex", f"{STATE[4:]}/Text__one__/note.txt", SECRET)
    result = verify(root, other)
    assert [(severity, code) for severity, code, _ in findings(result) if code.startswith("SB5")] == [
        ("error", "SB501")
    ]


def test_modes(made: Path, tmp_path: Path) -> None:
    """``warn`` tells it and passes; ``off`` does not look, and says so."""
    pex = with_file(made / "shop.pex", tmp_path / "x.pex", "shop/x.txt", SECRET)
    assert [severity for severity, _, _ in findings(verify(made / "shop", pex, "--secrets", "warn").ok())] == [
        "warning"
    ]
    result = verify(made / "shop", pex, "--secrets", "off").ok()
    assert findings(result) == []
    assert "Secrets were not looked for: secrets.mode is off." in result.json["reports"][0]["notes"]
    assert findings(verify(made / "shop", pex, "--allow-secret", "SHOP_*").ok()) == []
    assert findings(verify(made / "shop", pex, "--allow-secret", "*/x.txt").ok()) == []


def test_files_that_should_not_ship(made: Path, tmp_path: Path) -> None:
    """They are named; root certificates, and what packages of others have, are not."""
    names = (
        "shop/.env",
        "shop/.git/HEAD",
        "shop/.git/objects/a",
        ".deps/x.whl/certifi/cacert.pem",
        ".deps/x.whl/a/b.pem",
    )
    pex = made / "shop.pex"
    for number, name in enumerate(names):
        pex = with_file(pex, tmp_path / f"{number}.pex", name, b"x")
    found = findings(verify(made / "shop", pex).ok())
    assert [(severity, code) for severity, code, _ in found] == [("warning", "SB503")] * 2
    assert [message.partition(" is ")[0] for _, _, message in found] == ["shop/.env", "shop/.git/"]


def test_in_a_wheel_and_an_environment(made: Path, tmp_path: Path) -> None:
    """The same in a wheel, and in a directory of packages."""
    with zipfile.ZipFile(made / "shop.pex") as archive:
        inside = {
            name: archive.read(name) for name in archive.namelist() if name.startswith("shop/") and name[-1] != "/"
        }
    metadata = {"shop-1.dist-info/WHEEL": b"Wheel-Version: 1.0\n", "shop-1.dist-info/RECORD": b""}
    wheel = tmp_path / "shop-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in {**inside, **metadata, "shop/x.txt": SECRET}.items():
            archive.writestr(name, content)
    assert ("error", "SB501", "shop/x.txt has the value of SHOP_PASSWORD, at byte 0.") in findings(
        verify(made / "shop", wheel)
    )
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "packages")
    assert ("error", "SB501", "shop/x.txt has the value of SHOP_PASSWORD, at byte 0.") in findings(
        verify(made / "shop", tmp_path / "packages")
    )


def test_a_bake_of_a_pex(made: Path, tmp_path: Path) -> None:
    """A secret in the project's own code is not baked: exit code 5, and the old file stays."""
    root = shutil.copytree(made / "shop", tmp_path / "shop")
    output = tmp_path / "shop.pex"
    shutil.copy(made / "shop.pex", output)
    before = output.read_bytes()
    write_tree(root, {"src/shop/settings.py": f"PASSWORD = {VALUE!r}\n"})
    result = bake(root, output, "--no-refresh", env=ENV)
    assert (result.code, [code for _, code, _ in findings(result)]) == (5, ["SB501"])
    assert "shop/settings.py has the value of SHOP_PASSWORD" in findings(result)[0][2]
    assert (output.read_bytes(), [path.name for path in tmp_path.glob("*.pex*")]) == (before, ["shop.pex"])


def test_a_bake_with_a_local_library(tmp_path: Path) -> None:
    """A dependency from a directory is the project's own, though nothing in the PEX tells where it came from."""
    root = project(tmp_path / "shop", loads("one", READ))
    build = "[build-system]\nrequires = ['setuptools']\nbuild-backend = 'setuptools.build_meta'\n"
    library = {"pyproject.toml": f"[project]\nname = 'My.Lib'\nversion = '1'\n{build}", "my_lib/__init__.py": TOKEN}
    write_tree(tmp_path / "lib", library)
    (root / "requirements.txt").write_text("statebake\n../lib\n")
    result = bake(root, tmp_path / "shop.pex", "--no-refresh")
    [(severity, code, message)] = findings(result)
    assert (result.code, severity, code) == (5, "error", "SB502")
    assert message == ".deps/my_lib-1-py3-none-any.whl/my_lib/__init__.py has a GitHub token, at byte 0."
    assert not (tmp_path / "shop.pex").exists()


def test_a_work_tree(made: Path, tmp_path: Path) -> None:
    """``verify`` without an artifact searches the state that is there."""
    root = shutil.copytree(made / "shop", tmp_path / "shop")
    (root / STATE / "Text__one__/note.txt").write_text(VALUE)
    result = statebake("verify", "--format", "json", cwd=root, env=ENV)
    assert (result.code, [code for _, code, _ in findings(result) if code.startswith("SB5")]) == (5, ["SB501"])
