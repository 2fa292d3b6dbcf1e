"""The command line as scripts and terminals use it: streams, exit codes, several projects, secrets in keys."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import shlex
import shutil
import struct
import subprocess
import sys
import termios
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from support.cli import Result, clean_env, run, statebake
from support.dagster import dagster_project
from support.hosts import DAGSTER, HostKit
from support.native import code_component, component, documents, native_project, state_dir
from support.shown import assert_no_crash, shown, the_error
from support.trees import read_tree, write_tree

STATEBAKE = [sys.executable, "-m", "statebake"]
MARKING = "Path('fetched').touch()\nstate_path.write_text('new')"


def shell(command: str, cwd: Path, env: Mapping[str, str | None] | None = None) -> Result:
    """Run a line of bash in which ``statebake`` stands for the command under test."""
    text = f'statebake() {{ {shlex.join(STATEBAKE)} "$@"; }}\n{command}'
    return run(["bash", "-c", text], cwd=cwd, env=env, timeout=60)


def codes(result: Result) -> list[str]:
    return [item.code for item in shown(result.err)]


@pytest.fixture(scope="module")
def refreshed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A native project with state; no test changes it."""
    texts = (component("one"), component("Größe 日本 ✓"))
    project = native_project(tmp_path_factory.mktemp("refreshed") / "shop", documents(*texts))
    statebake("refresh", cwd=project).ok()
    return project


# --- nothing to do ---------------------------------------------------------------------------------------------------


def test_a_native_project_without_components(tmp_path: Path) -> None:
    """A native project without components is nothing that could be proved: check and bake end with 3."""
    project = native_project(tmp_path / "shop", "")
    (project / "src/shop/defs/things/defs.yaml").unlink()
    checked = statebake("check", cwd=project)
    error = the_error(checked.err)
    assert (checked.code, error.code) == (3, "SB315")
    assert "next: statebake config" not in (error.next_step or "")
    assert "statebake config" in (error.next_step or "")
    baked = statebake("bake", "pex", cwd=project)
    assert (baked.code, codes(baked)) == (3, ["SB315"])
    assert not (project / "dist").exists()
    for result in (checked, baked, statebake("refresh", cwd=project).ok(), statebake("status", cwd=project).ok()):
        assert "proved" not in result.out + result.err
        assert "✓" not in result.out


@pytest.mark.parametrize("host", DAGSTER)
def test_a_dagster_project_without_components(host: HostKit, tmp_path: Path) -> None:
    """A Dagster project may have no state-backed components: that is a warning, and nothing claims a proof."""
    project = host.project(tmp_path / "depot", [])
    (project / host.yaml).unlink()
    checked = statebake("check", cwd=project, env=host.env).ok()
    assert [(item.severity, item.code) for item in shown(checked.err)] == [("warning", "SB315")]
    assert "proved" not in checked.out + checked.err
    assert "✓" not in checked.out


@pytest.mark.needs("dagster-1.13")
def test_a_bake_without_components_proves_nothing(tmp_path: Path) -> None:
    """The PEX of a Dagster project without components is made, and nobody says that anything in it was proved."""
    host = HostKit("1.13")
    wheel = "dagster-99-py3-none-any.whl"  # stands for Dagster, which takes long to resolve
    project = host.project(tmp_path / "depot", [], {"requirements.txt": f"./{wheel}\n"})
    (project / host.yaml).unlink()
    info = {
        "METADATA": "Metadata-Version: 2.1\nName: dagster\nVersion: 99\n",
        "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "RECORD": "".join(f"{name},,\n" for name in ("dagster/__init__.py", "dagster-99.dist-info/RECORD")),
    }
    with zipfile.ZipFile(project / wheel, "w") as archive:
        archive.writestr("dagster/__init__.py", "")
        for name, text in info.items():
            archive.writestr(f"dagster-99.dist-info/{name}", text)
    env = {**host.env, "STATEBAKE_CACHE_DIR": str(tmp_path / "cache")}
    baked = statebake("bake", "pex", "--output", tmp_path / "depot.pex", cwd=project, env=env).ok()
    assert codes(baked) == ["SB315"]
    inspected = statebake("inspect", tmp_path / "depot.pex", cwd=tmp_path).ok()
    assert "no keys" in baked.out
    for text in (baked.out, baked.err, inspected.out, inspected.err):
        assert "proved" not in text


# --- settings that Dagster does not go by ----------------------------------------------------------------------------


@pytest.mark.parametrize("command", [("refresh",), ("check",), ("bake", "pex")], ids=" ".join)
def test_dagster_without_its_configuration(command: tuple[str, ...], tmp_path: Path) -> None:
    """``--host dagster`` for a project without ``dg``'s configuration is refused: Dagster would find nothing there."""
    project = native_project(tmp_path / "shop", code_component("one", MARKING))
    result = statebake(*command, "--host", "dagster", cwd=project)
    error = the_error(result.err)
    assert (result.code, error.code, error.where) == (2, "SB103", str(project / "pyproject.toml"))
    assert "[tool.dg.project]" in (error.next_step or "")
    assert not (project / "fetched").exists()


@pytest.mark.parametrize(("flag", "name"), [("--defs-module", "defs_module"), ("--module", "module")])
def test_dagster_goes_by_its_own_modules(flag: str, name: str, tmp_path: Path) -> None:
    """Another module than ``dg``'s configuration has would be ignored by Dagster, so it is refused by name."""
    project = dagster_project(tmp_path / "depot", {})
    result = statebake("check", flag, "depot.other", cwd=project)
    error = the_error(result.err)
    assert (result.code, error.code, error.where) == (2, "SB103", str(project / "pyproject.toml"))
    assert error.message.startswith(f"{name} is 'depot.other'")


# --- secrets in keys -------------------------------------------------------------------------------------------------

SECRET = "hunter2hunter2hunter2"
COMMANDS = (("refresh",), ("refresh", "--dry-run"), ("status",), ("check",), ("bake", "pex", "--dry-run"))


KEYS = {
    "user and password": f"Repo[https://user:{SECRET}@host.example/x]",
    "token": f"Repo[https://{SECRET}@host.example/y]",
    "an @ inside": f"Repo[https://user:{SECRET}@{SECRET}@host.example/z]",
    "long": f"Repo[https://user:{SECRET}@host.example/{'a-long-path/' * 8}x]",
    "long token": f"DbtProjectComponent[https://{SECRET * 3}@host.example/x]",
}


@pytest.fixture(scope="module")
def secretive(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Result]]:
    """A project with these keys and a good one, and how every command ended, by command and format."""
    texts = (component("secret", defs_state={"key": key}) for key in KEYS.values())
    project = native_project(tmp_path_factory.mktemp("secretive") / "shop", documents(*texts, component("good")))
    return project, {
        f"{' '.join(command)} --format {form}": statebake(*command, "--format", form, cwd=project)
        for command in COMMANDS
        for form in ("text", "json")
    }


def test_credentials_in_a_key_are_refused(secretive: tuple[Path, dict[str, Result]]) -> None:
    """A key with the credentials of a URL is refused with its place, and the others are refreshed."""
    project, ends = secretive
    assert [end.code for end in ends.values()] == [4, 4, 4, 4, 0, 0, 3, 3, 4, 4]
    places = [f"src/shop/defs/things/defs.yaml:{3 * number + 1}" for number in range(len(KEYS))]
    for command in ("refresh", "refresh --dry-run", "check", "bake pex --dry-run"):
        found = shown(ends[f"{command} --format text"].err)
        assert sorted((item.code, item.where) for item in found) == sorted(("SB308", place) for place in places)
    assert ends["status --format text"].out.count("bad key") == len(KEYS)
    assert {path.name for path in state_dir(project).iterdir()} == {".gitignore", ".staging", "Text__good__"}


def test_credentials_in_a_key_are_not_printed(secretive: tuple[Path, dict[str, Result]]) -> None:
    """Not even a part of the credentials in a key is printed, by any command in any format."""
    _, ends = secretive
    lines = {
        f"{command}: {line}"
        for command, end in ends.items()
        for line in (end.out + end.err).splitlines()
        if SECRET[:4] in line
    }
    assert not lines, "\n".join(sorted(lines))
    for end in ends.values():
        assert_no_crash(end.err)


# --- dbt -------------------------------------------------------------------------------------------------------------

DBT = {
    "dbt_project.yml": "name: {name}\nversion: '1.0.0'\nprofile: it\nmodel-paths: [models]\n",
    "profiles.yml": "it: {{target: dev, outputs: {{dev: {{type: duckdb, path: '/tmp/never-made.duckdb'}}}}}}\n",
    "models/one.sql": "select 1 as one\n",
}


def dbt_project(host: HostKit, root: Path, directories: Sequence[str]) -> Path:
    """Write a Dagster project with a ``DbtProjectComponent`` for each of these directories."""
    named = {
        f"src/depot/defs/dbt{number}/defs.yaml": (
            f"# a comment\ntype: dagster_dbt.DbtProjectComponent\nattributes:\n"
            f'  project: "{{{{ project_root }}}}/{directory}"\n'
        )
        for number, directory in enumerate(directories)
    }
    dbt = {
        f"{directory}/{name}": text.format(name=directory.replace("/", "_"))
        for directory in directories
        for name, text in DBT.items()
    }
    project = host.project(root, [], {**named, **dbt})
    (project / host.yaml).unlink()
    return project


@pytest.mark.parametrize("host", DAGSTER)
def test_two_dbt_projects_of_one_name(host: HostKit, tmp_path: Path) -> None:
    """Two dbt projects whose directories have one name share a key: refused before any fetch, both places named."""
    project = dbt_project(host, tmp_path / "depot", ("sales/dbt", "stock/dbt"))
    places = [f"src/depot/defs/dbt{number}/defs.yaml:2" for number in range(2)]
    before = read_tree(project / "sales"), read_tree(project / "stock")
    commands = {"refresh": 4, "check": 3} if host.dagster == "1.13" else {"check": 3}
    for command, code in commands.items():
        result = statebake(command, cwd=project, env=host.env)
        error = the_error(result.err)
        assert (result.code, error.code) == (code, "SB304")
        for place, directory in zip(places, ("sales/dbt", "stock/dbt"), strict=True):
            assert f"{place} ({project.resolve() / directory})" in error.message
    assert (read_tree(project / "sales"), read_tree(project / "stock")) == before
    assert not list(project.rglob("DbtProjectComponent*"))


@pytest.mark.needs("dagster-1.13")
def test_two_components_on_one_dbt_project(tmp_path: Path) -> None:
    """Two components on the same dbt project mean the same state: one fetch serves both."""
    host = HostKit("1.13")
    project = dbt_project(host, tmp_path / "depot", ("sales/dbt", "sales/dbt"))
    result = statebake("refresh", "--dry-run", "--format", "json", cwd=project, env=host.env).ok()
    plan = result.json["projects"][0]["refresh_plan"]
    assert [item["key"] for item in plan["fetches"]] == ["DbtProjectComponent[dbt]"]
    assert plan["blocked"] == []


# --- streams ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-"])
def test_closed_streams(closed: str, tmp_path: Path) -> None:
    """A stream that is closed from the start keeps nothing from working, and no pipe takes its place."""
    project = native_project(tmp_path / "shop", documents(component("one"), component("two")))
    refreshed = shell(f"statebake refresh {closed}", project)
    assert (refreshed.code, refreshed.err) == (0, "")
    assert ("2 updated" in refreshed.out) is (">&-" not in closed.split())
    assert (state_dir(project) / "Text__two__/state").read_text() == "two"
    assert shell(f"statebake check --format json {closed}", project).ok().err == ""


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
@pytest.mark.parametrize(
    "command", [("refresh",), ("status",), ("check",), ("status", "--format", "json"), ("explain",)], ids=" ".join
)
def test_an_encoding_that_lacks_letters(command: tuple[str, ...], encoding: str, refreshed: Path) -> None:
    """Where the terminal's encoding lacks letters and signs, something stands for them; nothing fails."""
    result = statebake(*command, cwd=refreshed, env={"PYTHONIOENCODING": encoding}).ok()
    assert result.out
    assert result.err == ""


def _into_a_closed_pipe(*args: str, cwd: Path) -> tuple[int, str]:
    """Run a command whose standard output nobody reads any more; return its exit code and its errors."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    try:
        finished = subprocess.run(
            [*STATEBAKE, *args],
            cwd=cwd,
            env=clean_env(),
            stdin=subprocess.DEVNULL,
            stdout=write_end,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(write_end)
    return finished.returncode, finished.stderr


@pytest.mark.parametrize(
    "command", ["status", "status --format json", "check", "config", "explain", "--help", "--version"]
)
def test_a_reader_that_has_seen_enough(command: str, refreshed: Path) -> None:
    """A reader that closes the pipe early is no failure, and nothing is said about it."""
    assert _into_a_closed_pipe(*command.split(), cwd=refreshed) == (0, "")


def test_a_reader_in_a_shell(refreshed: Path) -> None:
    """``statebake status | true`` is fine on both sides."""
    result = shell('statebake status | true; echo "${PIPESTATUS[@]}"', refreshed)
    assert (result.out, result.err) == ("0 0\n", "")


def test_a_refresh_whose_reader_has_seen_enough(tmp_path: Path) -> None:
    """A refresh goes on where nobody reads what it prints, and a failed key has its exit code."""
    slow = "import time; time.sleep(0.5)\n"
    project = native_project(tmp_path / "shop", documents(code_component("bad", f"{slow}1 / 0"), component("good")))
    result = shell('statebake refresh | true; echo "${PIPESTATUS[@]}"', project)
    assert result.out == "4 0\n"
    assert "division by zero" in result.err
    assert (state_dir(project) / "Text__good__" / "state").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("command", ["status", "status --format json", "check", "config", "explain", "--help"])
def test_an_output_without_space(command: str, refreshed: Path) -> None:
    """An output that cannot be written ends with 7 and one line that says so, not with a traceback."""
    result = shell(f"statebake {command} >/dev/full", refreshed)
    assert result.code == 7
    assert result.err == "error: the output cannot be written: no space left on its device.\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_refresh_whose_output_has_no_space(tmp_path: Path) -> None:
    """A refresh that cannot even begin to report fetches nothing, and the next one is not disturbed."""
    project = native_project(tmp_path / "shop", documents(*(component(str(number)) for number in range(4))))
    result = shell("statebake refresh >/dev/full", project)
    assert result.code == 7
    assert_no_crash(result.err)
    assert not [path for path in state_dir(project).rglob("*") if path.name not in {".staging", "lock"}]
    statebake("refresh", cwd=project).ok()


def test_a_message_is_printed_as_it_is(tmp_path: Path) -> None:
    """What looks like an emoji's name or like markup in an exception's message is not taken for it."""
    text = "look at :key: [bold]and[/bold] [link=x] :smile: [/]"
    project = native_project(tmp_path / "shop", code_component("one:key:", f"raise ValueError({text!r})"))
    result = statebake("refresh", cwd=project)
    error = the_error(result.err)
    assert (result.code, error.code) == (4, "SB401")
    assert error.message.endswith(f"ValueError: {text}")
    assert error.detail[-1] == f"ValueError: {text}"
    assert "Text[one:key:]" in (error.next_step or "")
    assert "Text[one:key:]" in result.out


def _in_a_terminal(*args: str, cwd: Path, columns: int) -> tuple[int, str]:
    """Run a command in a terminal of that width; return its exit code and what it printed, without control codes."""
    control, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    env = {**clean_env({"COLUMNS": None, "LINES": None, "NO_COLOR": None}), "TERM": "xterm-256color"}
    process = subprocess.Popen(
        [*STATEBAKE, *args], cwd=cwd, env=env, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True
    )
    os.close(terminal)
    said = b""
    try:
        while select.select([control], [], [], 30)[0]:
            try:
                chunk = os.read(control, 1 << 16)
            except OSError:  # what Linux says where others say end of file
                break
            if not chunk:
                break
            said += chunk
        code = process.wait(timeout=10)
    finally:
        process.kill()
        process.wait()
        os.close(control)
    return code, re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said.decode()).replace("\r\n", "\n")


def test_status_in_a_narrow_terminal(tmp_path: Path) -> None:
    """In a terminal of 80 columns every key, its health and its digest are there uncut, on one line."""
    names = ["a", "b" * 90, "a key of several words that is longer than the terminal is wide, by some words", "日本"]
    project = native_project(tmp_path / "shop", documents(*(component(name) for name in names), component("lost")))
    statebake("refresh", cwd=project).ok()
    shutil.rmtree(state_dir(project) / "Text__lost__")
    rows = statebake("status", "--format", "json", cwd=project).ok().json["projects"][0]["keys"]
    code, said = _in_a_terminal("status", cwd=project, columns=80)
    assert code == 0
    lines = said.splitlines()
    for row in rows:
        [line] = [line for line in lines if line.startswith(f"{row['key']} ")]
        health = "missing" if row["key"] == "Text[lost]" else "ok"
        assert row["health"] == health
        cells = line.removeprefix(row["key"]).split()
        assert cells[0] == health
        assert cells[-1] == "LOCAL_FILESYSTEM"
        if row["digest"]:
            assert row["digest"].removeprefix("sha256:")[:12] in cells
    assert "…" not in said


# --- other commands --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["echo hello\n", ""], ids=["without a first line", "empty"])
def test_dev_with_a_program_that_cannot_be_started(text: str, tmp_path: Path) -> None:
    """A program that the system cannot start is an error with a code that says how to start it."""
    script = tmp_path / "script"
    script.write_text(text)
    script.chmod(0o755)
    result = statebake("dev", "--", "./script", cwd=tmp_path)
    error = the_error(result.err)
    assert (result.code, error.code, error.where) == (7, "SB702", "./script")
    assert "#!" in (error.next_step or "")


def test_jobs_in_short(tmp_path: Path) -> None:
    """``-j 8`` is ``--jobs 8``."""
    project = native_project(tmp_path / "shop", component("one"))
    statebake("refresh", "-j", "8", cwd=project).ok()
    assert statebake("refresh", "-j", "0", cwd=project).code == 2


@pytest.mark.parametrize("command", [("refresh", "--dry-run"), ("bake", "pex", "--dry-run")], ids=" ".join)
def test_a_dry_run_with_a_blocked_key(command: tuple[str, ...], tmp_path: Path) -> None:
    """A dry run ends as the refresh would: with 4, where a key cannot be fetched."""
    texts = (code_component("good", MARKING), component("bad", defs_state={"key": ".."}))
    project = native_project(tmp_path / "shop", documents(*texts))
    before = read_tree(project)
    result = statebake(*command, cwd=project)
    assert (result.code, codes(result)) == (4, ["SB308"])
    assert "Text[good]" in result.out
    as_json = statebake(*command, "--format", "json", cwd=project)
    assert as_json.code == 4
    plan = as_json.json["projects"][0]["refresh_plan"]
    assert [item["error"]["code"] for item in plan["blocked"]] == ["SB308"]
    assert read_tree(project) == before


def test_a_dry_run_without_state(tmp_path: Path) -> None:
    """``bake pex --no-refresh --dry-run`` ends with 3 where the state is missing, and with 0 where it is there."""
    project = native_project(tmp_path / "shop", component("one"))
    command = ("bake", "pex", "--no-refresh", "--dry-run")
    result = statebake(*command, cwd=project)
    assert (result.code, codes(result)) == (3, ["SB301"])
    assert not state_dir(project).exists()
    statebake("refresh", cwd=project).ok()
    assert "would write" in statebake(*command, cwd=project).ok().out
    assert not (project / "dist").exists()


# --- several projects ------------------------------------------------------------------------------------------------


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A ``dg`` workspace of two native projects, ``broken`` before ``sound``; the former's package raises."""
    root = tmp_path / "workspace"
    for name in ("broken", "sound"):
        native_project(root / name, code_component(name, "Path('fetched').touch()\nstate_path.write_text('new')"))
        pyproject = f'[project]\nname = "{name}"\nversion = "1"\n\n[tool.statebake]\nmodule = "shop"\n'
        write_tree(root / name, {"pyproject.toml": pyproject})
    write_tree(root / "broken", {"src/shop/__init__.py": "raise ValueError('at import')\n"})
    members = "".join(f'\n[[workspace.projects]]\npath = "{name}"\n' for name in ("broken", "sound"))
    return write_tree(root, {"dg.toml": f'directory_type = "workspace"\n{members}'})


def test_a_broken_project_does_not_stop_the_others(workspace: Path) -> None:
    """In a workspace a project that cannot be imported ends the command with 2, and the other one is refreshed."""
    result = statebake("refresh", cwd=workspace)
    error = the_error(result.err)
    assert (result.code, error.code) == (2, "SB206")
    assert "broken: not done" in result.out
    assert "sound: 1 updated" in result.out
    assert (state_dir(workspace / "sound") / "Text__sound__/state").read_text() == "new"
    for command, sound in (("status", "Text[sound]"), ("check", "sound: 1 key has its state")):
        other = statebake(command, cwd=workspace)
        assert (other.code, codes(other)) == (2, ["SB206"])
        assert sound in other.out


def test_a_broken_project_in_json(workspace: Path) -> None:
    """With ``--format json`` the same is one document that has both projects, the broken one with its error."""
    result = statebake("refresh", "--format", "json", cwd=workspace)
    assert result.code == 2
    broken, sound = result.json["projects"]
    assert (broken["project"], broken["error"]["code"]) == ("broken", "SB206")
    assert (sound["project"], sound["refresh"]["keys"][0]["outcome"]) == ("sound", "updated")
    assert "error" not in sound


@pytest.mark.parametrize("command", ["refresh", "status", "check", "config", "bake pex", "inspect nowhere.pex"])
def test_json_is_one_document_whatever_happens(command: str, tmp_path: Path) -> None:
    """Where nothing is found, ``--format json`` still prints one document, with the error in it."""
    where = () if command.startswith("inspect") else ("--project", "nowhere")
    result = statebake(*command.split(), *where, "--format", "json", cwd=tmp_path)
    code = "SB112" if command.startswith("inspect") else "SB101"
    assert (result.code, result.json["error"]["code"]) == (2, code)
    assert result.json["format"] == 1
    assert the_error(result.err).code == code


def test_json_where_a_setting_is_wrong(tmp_path: Path) -> None:
    """A configuration that cannot be read is one document as well."""
    project = native_project(tmp_path / "shop", component("one"), {"statebake.toml": "jobs = 'two'\n"})
    result = statebake("status", "--format", "json", cwd=project)
    assert (result.code, result.json["error"]["code"]) == (2, "SB103")


def test_unknown_keys_are_all_named(workspace: Path) -> None:
    """Several unknown keys are named at once, before anything is fetched, also where one of the keys is known."""
    (workspace / "broken/src/shop/__init__.py").write_text("")
    keys = ("Text[sound]", "Text[nobody]", "Text[sonud]")
    selected = [part for key in keys for part in ("--key", key)]
    result = statebake("refresh", *selected, cwd=workspace)
    error = the_error(result.err)
    assert (result.code, error.code) == (2, "SB110")
    assert "'Text[nobody]' or 'Text[sonud]'" in error.message
    assert "Did you mean: Text[sound]" in error.message
    alone = statebake("refresh", *selected, cwd=workspace / "sound")
    assert "'Text[nobody]' or 'Text[sonud]'" in the_error(alone.err).message
    assert not list(workspace.rglob("fetched"))
    for name in ("broken", "sound"):
        (workspace / name / "src/shop/__init__.py").write_text("open('imports', 'a').write('one')\n")
    statebake("refresh", "--key", "Text[sound]", cwd=workspace).ok()
    assert [path.parent.name for path in workspace.rglob("fetched")] == ["sound"]
    assert [path.read_text() for path in workspace.rglob("imports")] == ["one", "one"]


def test_a_misspelt_variable_is_warned_of_once(workspace: Path) -> None:
    """A ``STATEBAKE_*`` variable that nothing reads is warned of once, however many projects there are."""
    (workspace / "broken/src/shop/__init__.py").write_text("")
    env = {"STATEBAKE_JOBZ": "value-of-it"}
    for command in ("refresh", "status", "config"):
        result = statebake(command, cwd=workspace, env=env).ok()
        assert result.err.count("STATEBAKE_JOBZ") == 1, result.err
        assert "did you mean STATEBAKE_JOBS?" in result.err
        assert "value-of-it" not in result.out + result.err
    document = json.loads(statebake("status", "--format", "json", cwd=workspace, env=env).ok().out)
    assert [text.partition(" ")[0] for text in document["warnings"]] == ["STATEBAKE_JOBZ"]
