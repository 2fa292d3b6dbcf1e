"""``statebake verify`` as a command: what it is given, what it compares with, what it reports."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from support.cli import Result, clean_env, run, statebake
from support.native import component, documents, native_project, state_dir
from support.pexes import CACHE_ENV, bake, rewrite
from support.shown import assert_no_crash, the_error
from support.trees import write_tree


@pytest.fixture(scope="module")
def baked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with its state and a PEX of it, in one directory."""
    root = tmp_path_factory.mktemp("baked")
    made = native_project(root / "shop", documents(component("one"), component("two")))
    bake(made, root / "shop.pex", "--python", sys.executable).ok()
    return root


@pytest.fixture
def root(baked: Path, tmp_path: Path) -> Path:
    """A copy of that, which a test may change."""
    return shutil.copytree(baked, tmp_path / "root")


def verify(root: Path, *args: str | Path, shown: str = "json", cwd: Path | None = None) -> Result:
    return statebake("verify", "--format", shown, *args, cwd=cwd or root, env=CACHE_ENV)


def findings(result: Result) -> list[tuple[str, str | None]]:
    return [(item["code"], item["key"]) for item in result.json["reports"][0]["findings"]]


def test_a_sound_pex(root):
    """It is told what was compared with what, and nothing of it is run."""
    result = verify(root, "shop.pex").ok()
    [report] = result.json["reports"]
    compared, searched = report["checks"]
    assert compared == "2 keys compared with the manifest of the PEX"
    assert searched.startswith("2.0 MB searched for ")
    assert [(key["key"], key["verdict"]) for key in report["keys"]] == [("Text[one]", "ok"), ("Text[two]", "ok")]
    assert "2 keys have their state" in verify(root, "shop.pex", shown="text").ok().out


@pytest.mark.parametrize("against", ["shop", "manifest.json", "old.pex"])
def test_against_what_it_must_be_the_same_as(root, against):
    """A work tree, a manifest, or another artifact; the same is fine, another one is told by key."""
    shutil.copy(root / "shop.pex", root / "old.pex")
    statebake("check", "--write-manifest", root / "manifest.json", cwd=root / "shop").ok()
    verify(root, "shop.pex", "--against", against).ok()
    yaml = root / "shop/src/shop/defs/things/defs.yaml"
    yaml.write_text(yaml.read_text().replace('"two"', '"two", "text": "other"'))
    bake(root / "shop", root / "new.pex", "--python", sys.executable).ok()
    statebake("check", "--write-manifest", root / "manifest.json", cwd=root / "shop").ok()
    new = "shop.pex" if against != "old.pex" else "new.pex"
    result = verify(root, new, "--against", against)
    assert (result.code, findings(result)) == (3, [("SB326", "Text[two]")])


def test_the_policy_of_the_project(root):
    """Age counts from the last fetch that confirmed the state, where the work tree knows of it; no such key is ok."""
    pyproject = root / "shop/pyproject.toml"
    pyproject.write_text(pyproject.read_text() + '\n[tool.statebake.policy]\nmax_age = "1d"\nmax_size = "1B"\n')
    result = verify(root, root / "shop.pex", cwd=root / "shop")
    assert result.code == 3
    assert findings(result) == [("SB332", "Text[one]"), ("SB332", "Text[two]")]
    assert [key["verdict"] for key in result.json["reports"][0]["keys"]] == ["too large", "too large"]
    for record in state_dir(root / "shop").glob("*/.statebake.json"):
        record.write_text(json.dumps({**json.loads(record.read_text()), "checked_at": "2020-01-01T00:00:00Z"}))
    result = verify(root, root / "shop.pex", cwd=root / "shop")
    assert {code for code, _ in findings(result)} == {"SB331", "SB332"}


def test_whose_settings_count(root):
    """They are those of the project that the manifest names, in a workspace too; those of another are not applied."""
    (root / "dg.toml").write_text(
        'directory_type = "workspace"\n[[workspace.projects]]\npath = "shop"\n[[workspace.projects]]\npath = "other"\n'
    )
    for name, rule in (("shop", 'max_size = "1B"'), ("other", 'require_keys = ["Nope"]')):
        project = root / name
        project.mkdir(exist_ok=True)
        (project / "pyproject.toml").touch()
        if name == "other":
            (project / "pyproject.toml").write_text('[project]\nname = "other"\n')
        (project / "statebake.toml").write_text(f"[policy]\n{rule}\n")
    result = verify(root, "shop.pex")
    assert (result.code, findings(result)) == (3, [("SB332", "Text[one]"), ("SB332", "Text[two]")])
    (root / "dg.toml").unlink()
    result = verify(root, root / "shop.pex", cwd=root / "other").ok()
    assert "of the project shop; no settings of the projects here (other)" in result.json["reports"][0]["notes"][0]


def test_the_schema_and_what_only_a_load_could_count(root):
    """State in an artifact is held to its schema; that definitions were not counted is told."""
    (root / "rules.json").write_text('{"type": "object"}')
    (root / "shop/statebake.toml").write_text('schema = "../rules.json"\n[policy]\nmin_definitions = 9\n')
    result = verify(root, root / "shop.pex", cwd=root / "shop")
    assert (result.code, findings(result)) == (3, [("SB335", "Text[one]"), ("SB335", "Text[two]")])
    assert [note for note in result.json["reports"][0]["notes"] if "needs a sealed load" in note]


def test_the_policy_of_what_has_no_manifest(root):
    """It holds for the state in it as well, by the project or by the records alone."""
    lost = rewrite(
        root / "shop.pex", root / "lost.pex", lambda name, text: None if name.endswith("manifest.json") else text
    )
    flags = ("--policy-max-size", "1B", "--require-key", "Text")
    for cwd in (root / "shop", root):
        result = verify(root, lost, *flags, cwd=cwd)
        assert result.code == 3
        assert [item for item in findings(result) if item[0] in {"SB332", "SB333"}] == [
            ("SB332", "Text[one]"),
            ("SB332", "Text[two]"),
        ]


def test_state_that_was_tampered_with(root):
    """A file in the artifact that is not what its manifest says is told with its key."""
    bad = rewrite(
        root / "shop.pex", root / "bad.pex", lambda name, text: b"x" if name.endswith("one__/state") else text
    )
    result = verify(root, bad)
    assert result.code == 3
    assert ("SB303", "Text[one]") in findings(result) or ("SB313", "Text[one]") in findings(result)


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("file.txt", b"text", "SB112"),
        ("cut.pex", None, "SB112"),
        ("nowhere.pex", b"", "SB112"),
    ],
)
def test_what_is_no_artifact(root, name, content, code):
    """It is an error of the command line, in every format."""
    (root / name).write_bytes((root / "shop.pex").read_bytes()[:1000] if content is None else content)
    result = verify(root, name)
    assert (result.code, findings(result)) == (2, [(code, None)])
    assert f"error[{code}]" in verify(root, name, shown="text").err


@pytest.mark.needs("root", "setpriv")
@pytest.mark.parametrize("closed", ["shop.whl", "env", "env/shop/defs/.local_defs_state/Text__a__/state"])
def test_what_cannot_be_read(tmp_path, closed):
    """A file or directory that this user may not read is told with its path, and the report is written."""
    write_tree(tmp_path, {"shop.whl": "x", "env/shop-1.dist-info/METADATA": ""})
    write_tree(tmp_path, {"env/shop/defs/.local_defs_state/Text__a__/state": "1"})
    artifact = tmp_path / closed.partition("/")[0]
    (tmp_path / closed).chmod(0)
    capabilities = "-dac_override,-dac_read_search"
    nobody = ("setpriv", f"--bounding-set={capabilities}", f"--inh-caps={capabilities}")
    command = (*nobody, sys.executable, "-m", "statebake", "verify", "--format", "json", "-o", "report.json", artifact)
    result = run(command, cwd=tmp_path, env=clean_env())
    assert_no_crash(result.err)
    error = the_error(result.err)
    assert (result.code, error.code) == (2, "SB112")
    assert error.where.startswith(str(tmp_path / closed))
    assert json.loads((tmp_path / "report.json").read_text())["ok"] is False


def test_a_name_that_is_too_long(tmp_path):
    """It is a mistake of the user's, not a bug."""
    result = statebake("verify", "x" * 300 + ".whl", cwd=tmp_path)
    assert result.code == 2
    assert_no_crash(result.err)


def test_several_artifacts_and_reports(root):
    """One that cannot be read does not hold the others up; reports in other forms go into files."""
    (root / "broken.pex").write_text("x")
    result = verify(
        root, "shop.pex", "broken.pex", "--output", "all.sarif", "-o", "junit=all.xml", "-o", "gitlab=q.json"
    )
    assert result.code == 2
    assert [report["ok"] for report in result.json["reports"]] == [True, False]
    assert json.loads((root / "all.sarif").read_text())["version"] == "2.1.0"
    assert "<testsuite" in (root / "all.xml").read_text()
    assert json.loads((root / "q.json").read_text())[0]["check_name"] == "SB112"


def test_a_work_tree(root):
    """Without an artifact it is the project that is verified; what is missing is told at its declaration."""
    verify(root, cwd=root / "shop").ok()
    shutil.rmtree(state_dir(root / "shop") / "Text__two__")
    result = verify(root, cwd=root / "shop")
    assert (result.code, findings(result)) == (3, [("SB301", "Text[two]")])
    assert "file=src/shop/defs/things/defs.yaml,line=" in verify(root, shown="github", cwd=root / "shop").out
    result = verify(root, "--against", ".", cwd=root / "shop")
    assert (result.code, findings(result)) == (2, [("SB103", None)])
