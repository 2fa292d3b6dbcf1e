"""Baking small native projects into PEXes, and reading files that are no good PEX."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
import sys
import zipfile

import pytest

from statebake.config.pex_options import FLAGS, INDEXES, REQUIREMENTS
from support.cli import run, statebake
from support.native import code_component, component, documents, native_project, state_dir
from support.pexes import (
    bake,
    digests,
    members,
    pex_info,
    rewrite,
    run_pex,
    state_in,
    write_zip,
)
from support.trees import read_tree, write_tree

# DESIGN.md, "On-disk format": what anybody can check a digest with.
DIGEST_COMMAND = (
    r"find . -type f ! -name .statebake.json -printf '%P\n' | LC_ALL=C sort | xargs -d '\n' sha256sum -- | sha256sum"
)

ODD_FILES = """
state_path.mkdir()
odd = ("-rf", "a b", "sub/- x", "sub/.hid", "żółw", "日本", "a'b", 'a"b', "a$(b)`c`", "a\\\\b", "*", "B", "a", "Z.txt")
for name in odd:
    (state_path / name).parent.mkdir(exist_ok=True)
    (state_path / name).write_text(name)
(state_path / "empty").touch()
(state_path.parent / "beside").mkdir()
(state_path.parent / "beside" / "it").write_bytes(bytes(range(256)) * 999)
(state_path.parent / "link").symlink_to("beside/it")
"""

SEVERAL = documents(
    component("one"),
    component("ünö/две", text="some text"),
    code_component("odd", ODD_FILES),
    component("shared", defs_state={"key": "Shared"}),
    component("shared", defs_state={"key": "Shared"}),
)


def only_project(result):
    [project] = result.json["projects"]
    return project


def code_of(result):
    return result.json["error"]["code"]


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A project, and a PEX that was baked from it."""
    root = tmp_path_factory.mktemp("good")
    project = native_project(root / "shop", component("one"))
    bake(project, root / "shop.pex").ok()
    return project, root / "shop.pex"


def test_every_digest(tmp_path):
    """Every key in the PEX has the work tree's digest: by zipfile and hashlib, and by the documented command."""
    project = native_project(tmp_path / "shop", SEVERAL)
    report = only_project(bake(project, tmp_path / "shop.pex").ok())
    recorded = {record["key"]: record["digest"] for record in report["pex"]["manifest"]["keys"]}
    assert set(recorded) == {"Text[one]", "Text[ünö/две]", "Text[odd]", "Shared"}

    inside = digests(state_in(tmp_path / "shop.pex"))
    assert inside == digests(read_tree(state_dir(project)))
    assert sorted(inside.values()) == sorted(recorded.values())

    with zipfile.ZipFile(tmp_path / "shop.pex") as archive:
        archive.extractall(tmp_path / "unzipped")
    for name, digest in inside.items():
        for root in (state_dir(project), tmp_path / "unzipped/shop/defs/.local_defs_state"):
            command = ["bash", "-o", "pipefail", "-c", DIGEST_COMMAND]
            said = subprocess.run(command, cwd=root / name, capture_output=True, text=True, check=True).stdout
            assert f"sha256:{said.split()[0]}" == digest


def test_what_stays_out(tmp_path):
    """Caches, byte code, environments, staging and state that no component has are not in the PEX."""
    project = native_project(
        tmp_path / "shop",
        component("one"),
        {
            "src/shop/.env": "TOKEN=x",
            "src/shop/.env.local": "TOKEN=x",
            "src/shop/deep/__pycache__/x.cpython-311.pyc": "x",
            "src/shop/deep/stale.pyc": "x",
            "src/shop/deep/.venv/pyvenv.cfg": "x",
            "src/shop/deep/kept.txt": "x",
            "src/shop.egg-info/PKG-INFO": "x",
            "src/shop/defs/things/.local_defs_state/X/state": "x",
            "tests/test_it.py": "x",
            ".env": "TOKEN=x",
        },
    )
    statebake("refresh", "--project", project, cwd=tmp_path).ok()
    write_tree(
        state_dir(project),
        {"Text__old__/state": "an orphan", ".staging/abc/Text__one__/state": "left over", "stray.txt": "x"},
    )
    report = only_project(bake(project, tmp_path / "shop.pex", "--no-refresh").ok())
    assert [finding["code"] for finding in report["check"]["findings"]] == ["SB305"]
    names = members(tmp_path / "shop.pex")
    assert sorted(name for name in names if name.startswith("shop/")) == [
        "shop/__init__.py",
        "shop/__main__.py",
        "shop/components.py",
        "shop/deep/kept.txt",
        "shop/defs/.local_defs_state/.gitignore",
        "shop/defs/.local_defs_state/Text__one__/.statebake.json",
        "shop/defs/.local_defs_state/Text__one__/state",
        "shop/defs/.local_defs_state/statebake-manifest.json",
        "shop/defs/__init__.py",
        "shop/defs/things/defs.yaml",
    ]
    top = {name.split("/")[0] for name in names}
    assert top == {".bootstrap", ".deps", "PEX-INFO", "__main__.py", "__pex__", "shop"}
    assert names["shop/defs/.local_defs_state/.gitignore"] == b"*\n"


def test_packages(tmp_path):
    """``packages`` puts further directories and files of the project in at the top."""
    project = native_project(
        tmp_path / "shop",
        component("one"),
        {
            "shared/helpers/__init__.py": "NAME = 'from helpers'",
            "extra.py": "NAME = 'from extra'",
            "src/shop/show.py": "import extra, helpers\nprint(extra.NAME, helpers.NAME)",
            "statebake.toml": "packages = ['shared/helpers', 'extra.py']\n[pex]\nentry_point = 'shop.show'\n",
        },
    )
    bake(project, tmp_path / "shop.pex").ok()
    assert run_pex(tmp_path / "shop.pex", home=tmp_path / "home").ok().out == "from extra from helpers\n"


def test_missing_package(tmp_path):
    """A package that is not there is an error of the configuration, and nothing is written."""
    project = native_project(tmp_path / "shop", component("one"))
    result = bake(project, tmp_path / "shop.pex", "--package", "nowhere")
    assert (result.code, code_of(result)) == (2, "SB103")
    assert not (tmp_path / "shop.pex").exists()


def test_flat_layout(tmp_path):
    """A project without ``src`` is baked too, and only its own package goes in."""
    project = native_project(tmp_path / "shop", component("one"))
    (project / "src/shop").rename(project / "shop")
    (project / "src").rmdir()
    write_tree(project, {"setup.py": "raise SystemExit('not code of the program')", "notes/x.py": "x"})
    bake(project, tmp_path / "shop.pex").ok()
    project.rename(tmp_path / "moved away")
    assert run_pex(tmp_path / "shop.pex", home=tmp_path / "home").ok().out == "one\n"
    assert not [name for name in members(tmp_path / "shop.pex") if name.split("/")[0] in {"setup.py", "notes", "dist"}]


@pytest.mark.parametrize(
    ("entry_point", "prints"),
    [
        ("-m shop", "one"),
        ("shop.tool", "the tool"),
        ("shop.tool:main", "the function"),
    ],
)
def test_entry_points(good, tmp_path, entry_point, prints):
    """A PEX runs the module or calls the function that it was told to."""
    project, _ = good
    tool = "def main():\n    print('the function')\nif __name__ == '__main__':\n    print('the tool')\n"
    write_tree(project, {"src/shop/tool.py": tool})
    bake(project, tmp_path / "x.pex", "--no-refresh", "--entry-point", entry_point).ok()
    assert run_pex(tmp_path / "x.pex", home=tmp_path / "home").ok().out == f"{prints}\n"


def test_no_refresh_without_state(tmp_path):
    """``--no-refresh`` on a project without state ends with 3, names the key, and makes no PEX."""
    project = native_project(tmp_path / "shop", component("one"))
    result = bake(project, tmp_path / "shop.pex", "--no-refresh")
    assert result.code == 3
    assert [finding["code"] for finding in only_project(result)["check"]["findings"]] == ["SB301"]
    assert not (tmp_path / "shop.pex").exists()


def test_no_refresh_takes_what_is_there(tmp_path):
    """``--no-refresh`` does not fetch: it bakes the state that was checked."""
    source = tmp_path / "source"
    source.write_text("before")
    project = native_project(tmp_path / "shop", component("one", source=str(source)))
    statebake("refresh", "--project", project, cwd=tmp_path).ok()
    source.write_text("after")
    bake(project, tmp_path / "shop.pex", "--no-refresh").ok()
    assert run_pex(tmp_path / "shop.pex", home=tmp_path / "home").ok().out == "before\n"


def test_changed_state_is_not_baked(tmp_path):
    """State whose digest is not the recorded one is not baked."""
    project = native_project(tmp_path / "shop", component("one"))
    statebake("refresh", "--project", project, cwd=tmp_path).ok()
    (state_dir(project) / "Text__one__/state").write_text("edited by hand")
    result = bake(project, tmp_path / "shop.pex", "--no-refresh")
    assert result.code == 3
    assert [finding["code"] for finding in only_project(result)["check"]["findings"]] == ["SB303"]
    assert not (tmp_path / "shop.pex").exists()


def test_a_failed_key_stops_the_bake(tmp_path):
    """A bake whose refresh fails ends with 4 and writes nothing, although the last good state is there."""
    project = native_project(tmp_path / "shop", component("one", source=str(tmp_path / "source")))
    (tmp_path / "source").write_text("good")
    statebake("refresh", "--project", project, cwd=tmp_path).ok()
    (tmp_path / "source").unlink()
    result = bake(project, tmp_path / "shop.pex")
    assert result.code == 4
    assert not (tmp_path / "shop.pex").exists()
    assert (state_dir(project) / "Text__one__/state").read_text() == "good"


def test_dry_run(tmp_path):
    """``--dry-run`` says what would be made, fetches nothing and writes nothing."""
    project = native_project(tmp_path / "shop", component("one"))
    before = read_tree(project)
    report = only_project(bake(project, tmp_path / "shop.pex", "--dry-run").ok())
    assert report["bake_plan"]["output"] == str(tmp_path / "shop.pex")
    assert report["bake_plan"]["dependencies_from"] == str(project / "pyproject.toml")
    assert [fetch["key"] for fetch in report["refresh_plan"]["fetches"]] == ["Text[one]"]
    assert read_tree(project) == before
    assert not (tmp_path / "shop.pex").exists()


@pytest.mark.parametrize(
    ("args", "pyproject", "code"),
    [
        (
            [],
            '[project]\nname = "shop"\nversion = "1"\ndependencies = ["statebake", "no-such-dist-6f1e==1"]\n',
            "SB701",
        ),
        (["--pex-arg=--no-such-flag"], None, "SB701"),
        (["--pex-arg=requests"], None, "SB103"),
        (["--pex-arg=-o", "--pex-arg=other.pex"], None, "SB103"),
        (["--pex-arg=--layout", "--pex-arg=loose"], None, "SB103"),
        (["--pex-arg=--layout", "--pex-arg=packed"], None, "SB103"),
        (["--pex-arg=--validate-entry-point", "--entry-point", "shop.nowhere"], None, "SB701"),
    ],
    ids=["unresolvable", "unknown flag", "a requirement", "an output", "loose layout", "packed", "no such module"],
)
def test_a_failing_bake_leaves_the_old_file(good, tmp_path, args, pyproject, code):
    """Whatever makes a bake fail, the last good file is still there, byte for byte, and nothing is beside it."""
    project = shutil.copytree(good[0], tmp_path / "shop")
    output = tmp_path / "out" / "shop.pex"
    output.parent.mkdir()
    before = shutil.copy(good[1], output).read_bytes()
    write_tree(project, {"src/shop/__init__.py": "changed = True"})
    if pyproject:
        write_tree(project, {"pyproject.toml": pyproject})
    result = bake(project, output, *args)
    assert code_of(result) == code
    assert result.code == (2 if code == "SB103" else 7)
    assert output.read_bytes() == before
    assert [path.name for path in output.parent.iterdir()] == ["shop.pex"]


def test_options_in_a_file(good, tmp_path):
    """Options in a file count beside the others, which pex forgets by itself; each bake reads it anew."""
    project = shutil.copytree(good[0], tmp_path / "shop")
    arguments = ("--no-refresh", "--pex-arg=--venv", "--pex-arg=prepend", "--pex-arg=@args.txt")
    for inherited in ("prefer", "fallback"):
        write_tree(project, {"args.txt": f"--inherit-path={inherited}\n"})
        bake(project, tmp_path / "shop.pex", *arguments).ok()
        info = pex_info(tmp_path / "shop.pex")
        assert (info["venv"], info["venv_bin_path"]) == (True, "prepend")
        assert info["inherit_path"] == inherited


def test_options_of_pex(tmp_path):
    """All options of pex that take no value are known as such, and no other; an option is known by all its names."""
    script = (
        "import json\nfrom pex.bin.pex import configure_clp\n"
        "actions = configure_clp().parser._option_string_actions\n"
        "print(json.dumps({name: [action.nargs == 0, action.option_strings] for name, action in actions.items()}))"
    )
    options = json.loads(run([sys.executable, "-c", script], cwd=tmp_path).ok().out)
    assert {name for name, (is_flag, _) in options.items() if is_flag} == {name for name in FLAGS if name in options}
    for known in (INDEXES, REQUIREMENTS):
        assert {name for some in known for name in options[some][1]} == known
    assert INDEXES.isdisjoint(REQUIREMENTS)


@pytest.mark.parametrize("place", ["file/x.pex", "file/deep/x.pex", "directory"])
def test_output_that_cannot_be_written(good, tmp_path, place):
    """An output that cannot be written is an error with a code, and leaves everything as it was."""
    project, _ = good
    write_tree(tmp_path, {"file": "a file", "directory/file": "x"})
    before = read_tree(tmp_path)
    result = bake(project, tmp_path / place, "--no-refresh")
    assert (result.code, code_of(result)) == (7, "SB703")
    assert read_tree(tmp_path) == before


def test_cache_that_cannot_be_written(good, tmp_path):
    """A cache directory that cannot be made is an error with a code, not a bug."""
    project, _ = good
    write_tree(tmp_path, {"file": "a file"})
    env = {"STATEBAKE_CACHE_DIR": str(tmp_path / "file" / "cache")}
    result = bake(project, tmp_path / "x.pex", "--no-refresh", env=env)
    assert (result.code, code_of(result)) == (7, "SB703")
    assert not (tmp_path / "x.pex").exists()


def test_output_is_made_with_its_directories(good, tmp_path):
    """The directories of an output are made, and the file can be run by its path."""
    project, _ = good
    output = tmp_path / "new" / "deep" / "x.pex"
    bake(project, output, "--no-refresh").ok()
    assert stat.S_IMODE(output.stat().st_mode) & 0o555 == 0o555
    home = {"HOME": str(tmp_path), "PEX_ROOT": str(tmp_path / "pex-root")}
    assert run([output], cwd=tmp_path, env=home).ok().out == "one\n"


def test_one_output_for_two_projects(tmp_path):
    """Two projects are not baked into one file."""
    one = native_project(tmp_path / "one", component("one"))
    two = native_project(tmp_path / "two", component("two"))
    result = statebake("bake", "pex", "-p", one, "-p", two, "-o", tmp_path / "x.pex", cwd=tmp_path)
    assert result.code == 2
    assert "SB103" in result.err
    assert not (tmp_path / "x.pex").exists()


def test_odd_path(tmp_path):
    """A project whose path has blanks and other letters is baked and runs."""
    root = tmp_path / "über uns & 'mehr' %20 日本"
    root.mkdir()
    project = native_project(root / "mein Laden (neu)", component("one"))
    bake(project, root / "der Laden.pex").ok()
    project.rename(root / "weg")
    assert run_pex(root / "der Laden.pex", home=root / "zu Hause").ok().out == "one\n"
    assert statebake("inspect", root / "der Laden.pex", cwd=root).ok()


def test_only_local_state_is_baked(tmp_path):
    """A key that is fetched at every load, and allowed to be, is not in the manifest."""
    project = native_project(
        tmp_path / "shop",
        documents(
            component("one"),
            component("two", defs_state={"management_type": "LEGACY_CODE_SERVER_SNAPSHOTS"}),
        ),
    )
    refused = bake(project, tmp_path / "shop.pex")
    assert refused.code == 3
    assert not (tmp_path / "shop.pex").exists()
    report = only_project(bake(project, tmp_path / "shop.pex", "--allow-runtime-fetch", "Text[two]").ok())
    assert [record["key"] for record in report["pex"]["manifest"]["keys"]] == ["Text[one]"]


def test_missing_key_at_run_time(good, tmp_path):
    """A PEX that lost a key says at its start which key, and where its state should be."""
    _, pex = good
    hollow = rewrite(pex, tmp_path / "hollow.pex", lambda name, text: None if "/Text__one__/" in name else text)
    result = run_pex(hollow, home=tmp_path / "home", env={"STATEBAKE_DEV": "1"})
    assert result.code != 0
    assert "Text[one]" in result.err
    assert ".local_defs_state/Text__one__/state" in result.err


def _not_a_pex(tmp_path, pex, kind):
    target = tmp_path / "x.pex"
    content = pex.read_bytes()
    broken = bytearray(content)
    if kind == "nothing":
        return target
    if kind == "directory":
        target.mkdir()
    elif kind == "text":
        target.write_text("#!/bin/sh\necho hello\n")
    elif kind == "empty":
        target.touch()
    elif kind == "truncated":
        target.write_bytes(content[: len(content) // 2])
    elif kind == "no PEX-INFO":
        write_zip(target, ("__main__.py", ""))
    elif kind == "a name twice":
        write_zip(target, ("PEX-INFO", "{}"), ("a", "1"), ("a", "2"))
    elif kind == "leaves":
        write_zip(target, ("PEX-INFO", "{}"), ("../a", "1"))
    elif kind == "leaves, otherwise":
        write_zip(target, ("PEX-INFO", "{}"), ("a\\..\\..\\b", "1"))
    elif kind == "absolute":
        write_zip(target, ("PEX-INFO", "{}"), ("/etc/passwd", "1"))
    elif kind == "no manifest":
        write_zip(target, ("PEX-INFO", "{}"), ("a", "1"))
    else:
        with zipfile.ZipFile(pex) as archive:
            info = archive.getinfo("shop/defs/.local_defs_state/statebake-manifest.json")
        if kind == "bad data":
            start = info.header_offset + 30 + len(info.filename)
            broken[start : start + 40] = b"\xff" * 40
        else:
            # The central directory's entry (APPNOTE.TXT 4.3.12): flags at 8, method at 10, before the name at 46.
            entry = content.rindex(info.filename.encode()) - 46
            local = info.header_offset
            if kind == "encrypted":
                broken[entry + 8] |= 1
                broken[local + 6] |= 1
            else:
                broken[entry + 10 : entry + 12] = b"\x63\x00"
                broken[local + 8 : local + 10] = b"\x63\x00"
        target.write_bytes(broken)
    return target


@pytest.mark.parametrize(
    "kind",
    [
        "nothing",
        "directory",
        "text",
        "empty",
        "truncated",
        "no PEX-INFO",
        "a name twice",
        "leaves",
        "leaves, otherwise",
        "absolute",
        "no manifest",
        "bad data",
        "encrypted",
        "unknown compression",
    ],
)
def test_not_an_artifact(good, tmp_path, kind):
    """What is no PEX of ours, or could be read in two ways, is refused with one code and the reason."""
    path = _not_a_pex(tmp_path, good[1], kind)
    result = statebake("inspect", path, cwd=tmp_path)
    assert result.code == 2, result.err
    assert result.err.startswith("error[SB112]: ")
    assert f"  at {path}\n" in result.err


@pytest.mark.parametrize(
    ("manifest", "code"),
    [("{", "SB309"), ("[]", "SB309"), ('{"format": 1}', "SB309"), ('{"format": 99}', "SB310"), ("\x00\xff", "SB309")],
)
def test_bad_manifest(good, tmp_path, manifest, code):
    """A manifest that cannot be read, or is of a newer format, is refused by its code."""

    def change(name, content):
        return manifest.encode("latin-1") if name.endswith("/statebake-manifest.json") else content

    path = rewrite(good[1], tmp_path / "x.pex", change)
    result = statebake("inspect", path, cwd=tmp_path)
    assert (result.code, result.err[:12]) == (3, f"error[{code}]")
    assert ("next: bake the artifact again" in result.err) == (code == "SB309")


def test_an_error_as_json(tmp_path):
    """``inspect --format json`` prints one document for a file that it cannot read, too."""
    result = statebake("inspect", tmp_path / "x.pex", "--format", "json", cwd=tmp_path)
    assert result.code == 2
    assert code_of(result) == "SB112"


def test_a_pex_as_users_know_it(good):
    """The PEX is an ordinary one: its own hashes hold, and it says what it runs."""
    _, pex = good
    info = pex_info(pex)
    assert info["entry_point"] == "shop"
    assert json.loads(state_in(pex)["statebake-manifest.json"])["project"] == "shop"
