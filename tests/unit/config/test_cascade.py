"""The cascade of options: who wins, what is refused, and what the errors say."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statebake.config import SETTINGS, Kind, PolicySettings, Settings, render_rows, resolve, settings_for
from statebake.config.settings import KeySettings, Limit
from statebake.errors import Code, StatebakeError


@pytest.fixture
def project(tmp_path):
    def write(pyproject=None, statebake=None):
        if pyproject is not None:
            (tmp_path / "pyproject.toml").write_text(dedent(pyproject), encoding="utf-8")
        if statebake is not None:
            (tmp_path / "statebake.toml").write_text(dedent(statebake), encoding="utf-8")
        return tmp_path

    return write


def refused(directory, flags=None, env=None):
    with pytest.raises(StatebakeError) as caught:
        resolve(directory, flags or {}, env or {})
    return caught.value


def test_nothing_given(tmp_path):
    """Without any configuration every setting has its default and says so."""
    resolved = resolve(tmp_path, {}, {})
    assert resolved.settings == Settings()
    assert resolved.settings.flat() == {setting.name: setting.default for setting in SETTINGS}
    assert set(resolved.origins.values()) == {"default"}


@given(flag=st.none() | st.integers(1), env=st.none() | st.integers(1), file=st.none() | st.integers(1))
def test_precedence(tmp_path_factory, flag, env, file):
    """Flag before variable before file before default, and the origin tells which it was."""
    directory = tmp_path_factory.mktemp("project")
    if file is not None:
        (directory / "pyproject.toml").write_text(f"[tool.statebake]\njobs = {file}\n")
    resolved = resolve(directory, {"jobs": flag}, {} if env is None else {"STATEBAKE_JOBS": str(env)})
    ranked = [
        (flag, "flag --jobs"),
        (env, "env STATEBAKE_JOBS"),
        (file, "pyproject.toml:2"),
        (32, "default"),
    ]
    expected = next((value, origin) for value, origin in ranked if value is not None)
    assert (resolved.settings.jobs, resolved.origins["jobs"]) == expected


VALUES = {
    "host": ("native", "native"),
    "python": ("env/bin/python", Path("env/bin/python")),
    "module": ("acme", "acme"),
    "defs_module": ("acme.defs", "acme.defs"),
    "packages": ("lib,more/lib", ("lib", "more/lib")),
    "jobs": ("3", 3),
    "timeout": ("90s", "90s"),
    "retries": ("0", 0),
    "backoff": ("2", 2),
    "deadline": ("1h", "1h"),
    "max_age": ("1.5d", "1.5d"),
    "on_failure": ("stale", "stale"),
    "max_stale": ("24h", "24h"),
    "min_bytes": ("20kB", "20kB"),
    "max_bytes": ("1 GiB", "1 GiB"),
    "schema": ("a.json", Path("a.json")),
    "max_shrink": ("20%", "20%"),
    "exclude": ("*.log, !a.log", ("*.log", "!a.log")),
    "isolation": ("spawn", "spawn"),
    "allow_runtime_fetch": ("A[*], B", ("A[*]", "B")),
    "allow_differences": ("A[*], B", ("A[*]", "B")),
    "secrets.mode": ("warn", "warn"),
    "secrets.names": ("SHOP_*, LOGIN", ("SHOP_*", "LOGIN")),
    "secrets.allow": ("LOGIN, *.pem", ("LOGIN", "*.pem")),
    "secrets.scrub": ("true", True),
    "policy.max_age": ("7d", "7d"),
    "policy.max_size": ("50MB", "50MB"),
    "policy.require_keys": ("A[*], B", ("A[*]", "B")),
    "policy.forbid_strategies": (
        "VERSIONED_STATE_STORAGE,LEGACY_CODE_SERVER_SNAPSHOTS",
        ("VERSIONED_STATE_STORAGE", "LEGACY_CODE_SERVER_SNAPSHOTS"),
    ),
    "policy.min_definitions": ("0", 0),
    "policy.min_total_definitions": ("12", 12),
    "bake.verify": ("sealed", "sealed"),
    "pex.entry_point": ("acme.cli:main", "acme.cli:main"),
    "build_backend": ("acme.build:backend", "acme.build:backend"),
    "backend_path": ("tools,more/tools", ("tools", "more/tools")),
    "on_build": ("refresh", "refresh"),
    "version_from_state": ("yes", True),
    "lock": ("uv.lock", Path("uv.lock")),
    "docker.tags": ("app,app:1", ("app", "app:1")),
    "docker.file": ("docker/Dockerfile", Path("docker/Dockerfile")),
    "docker.template": ("Dockerfile.j2", Path("Dockerfile.j2")),
    "docker.base_image": ("python:3.12-slim", "python:3.12-slim"),
    "docker.command": ("python -m acme", ("python", "-m", "acme")),
    "docker.port": ("3030", 3030),
    "docker.user": ("app", "app"),
    "docker.platforms": ("linux/amd64,linux/arm64", ("linux/amd64", "linux/arm64")),
    "docker.secrets": ("id=pip_conf,src=a id=ca", ("id=pip_conf,src=a", "id=ca")),
    "docker.build_args": ("A=1,2", ("A=1,2",)),
    "docker.refresh_secrets": ("TOKEN", ("TOKEN",)),
    "docker.builder": ("remote", "remote"),
    "docker.builder_compat": ("buildah", "buildah"),
    "docker.args": ("--pull --no-cache", ("--pull", "--no-cache")),
    "pex.code": ("wheel", "wheel"),
    "pex.args": ("--venv '--a b'", ("--venv", "--a b")),
    "pex.output": ("out/a.pex", Path("out/a.pex")),
    "sealed.timeout": ("2m", "2m"),
    "sealed.env": ("A B=c", ("A", "B=c")),
    "sealed.allow_empty": ("One,Two[*]", ("One", "Two[*]")),
}


MEANT = {
    "timeout": 90.0,
    "backoff": 2.0,
    "deadline": 3600.0,
    "max_age": 129600.0,
    "max_stale": 86400.0,
    "min_bytes": 20_000,
    "max_bytes": 2**30,
    "max_shrink": 0.2,
    "sealed.timeout": 120.0,
    "policy.max_age": 604800.0,
    "policy.max_size": 50_000_000,
}


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_every_setting_from_everywhere(tmp_path, setting):
    """Every setting can come from its variable, from both files and from a flag, with the same result."""
    text, value = VALUES[setting.name]
    expected = tmp_path / value if isinstance(value, Path) else MEANT.get(setting.name, value)
    toml = list(value) if isinstance(value, tuple) else value if isinstance(value, int) else str(value)
    table, _, key = setting.name.rpartition(".")

    def given_by(**sources):
        resolved = resolve(tmp_path, sources.get("flags", {}), sources.get("env", {}))
        return resolved.settings.flat()[setting.name], resolved.origins[setting.name]

    assert given_by(env={setting.env: text}) == (expected, f"env {setting.env}")
    assert given_by(flags={setting.name: value}) == (expected, f"flag {setting.flag}")
    pyproject = tmp_path / "pyproject.toml"
    pyproject.write_text(f"[tool.statebake{table and '.' + table}]\n{key} = {json.dumps(toml)}\n")
    assert given_by() == (expected, "pyproject.toml:2")
    pyproject.unlink()
    (tmp_path / "statebake.toml").write_text(f"# a comment\n{setting.name} = {json.dumps(toml)}\n")
    assert given_by() == (expected, "statebake.toml:2")


def test_platforms_by_commas(project):
    """Platforms are told one by one, also where they come in one string, as docker's own flag takes them."""
    both = ("linux/amd64", "linux/arm64")
    for value in (["linux/amd64,linux/arm64"], ["linux/amd64", " linux/arm64"], ["linux/amd64, linux/arm64"]):
        assert resolve(project(""), {"docker.platforms": value}, {}).settings.docker.platforms == both
        written = project(f"[tool.statebake]\ndocker.platforms = {json.dumps(value)}")
        assert resolve(written, {}, {}).settings.docker.platforms == both
    assert refused(project(""), flags={"docker.platforms": ["linux/amd64,"]}).code is Code.BAD_SETTING


def test_secrets_in_short(project):
    """``secrets`` alone may say what a secret means, or which variables are secret."""
    short = resolve(project('[tool.statebake]\nsecrets = "warn"'), {}, {})
    assert (short.settings.secrets.mode, short.origins["secrets.mode"]) == ("warn", "pyproject.toml:2")
    names = resolve(project('[tool.statebake]\nsecrets = ["SHOP_*"]'), {}, {}).settings
    assert (names.secrets.mode, names.secrets.names) == ("error", ("SHOP_*",))
    assert refused(project("[tool.statebake]\nsecrets = 1")).code is Code.BAD_SETTING
    assert refused(project('[tool.statebake]\nsecrets = "some"')).where.endswith("pyproject.toml:2")


@pytest.mark.parametrize("dash", ["-", "_"])
def test_spellings_of_the_build_system(project, dash):
    """The wrapped backend's settings may be spelled as ``[build-system]`` spells them."""
    lines = f'build{dash}backend = "hatchling.build"\nbackend{dash}path = ["tools"]\n'
    settings = resolve(project(pyproject=f"[tool.statebake]\n{lines}"), {}, {}).settings
    assert (settings.build_backend, settings.backend_path) == ("hatchling.build", ("tools",))


def test_both_spellings(project):
    """A setting that is there in two spellings is refused, with both places."""
    error = refused(project(pyproject='[tool.statebake]\nbuild-backend = "a"\nbuild_backend = "a"\n'))
    assert error.code is Code.CONFIGS_DISAGREE
    first, _, second = (error.where or "").partition(" and ")
    assert first.endswith("pyproject.toml:2")
    assert second.endswith("pyproject.toml:3")


def test_flag_paths_from_cwd(tmp_path):
    """A relative path in a flag is taken from the current directory, elsewhere from the project."""
    flags, env = {"pex.output": Path("a.pex"), "python": "python3.12"}, {"STATEBAKE_LOCK": "uv.lock"}
    settings = resolve(tmp_path / "project", flags, env, cwd=tmp_path).settings
    assert settings.pex.output == tmp_path / "a.pex"
    assert settings.lock == tmp_path / "project" / "uv.lock"
    assert settings.python == Path("python3.12")


def test_not_given(tmp_path):
    """A flag that is None or empty, and a variable that is empty, count as not given."""
    flags = {"jobs": None, "packages": (), "pex.args": []}
    assert resolve(tmp_path, flags, {"STATEBAKE_JOBS": " "}).settings == Settings()


def test_both_files_merge(project):
    """The two files are merged, and may repeat a value."""
    directory = project("[tool.statebake]\njobs = 2\npython = 'a/b'\n", "python = './a/b'\nmodule = 'm'\n")
    settings = resolve(directory, {}, {}).settings
    assert (settings.jobs, settings.module, settings.python) == (2, "m", directory / "a/b")


def test_both_files_disagree(project):
    """Two files that disagree are refused, naming the key and both lines."""
    directory = project("[tool.statebake]\n[tool.statebake.pex]\noutput = 'a'\n", "[pex]\noutput = 'b'\n")
    error = refused(directory)
    assert error.code is Code.CONFIGS_DISAGREE
    assert "pex.output" in error.message
    assert error.where == f"{directory}/pyproject.toml:3 and {directory}/statebake.toml:2"


@pytest.mark.parametrize(
    ("toml", "line", "expected"),
    [
        ("host = 'airflow'", 2, "`dagster` or `native`"),
        ("host = ['dagster']", 2, "`dagster` or `native`"),
        ("python = ''", 2, "path"),
        ("module = 'a-b'", 2, "module name"),
        ("\njobs = true", 3, "whole number"),
        ("jobs = 0", 2, "whole number"),
        ("jobs = '4'", 2, "whole number"),
        ("packages = 'a'", 2, "list of strings"),
        ("packages = [1]", 2, "list of strings"),
        ("pex.entry_point = 'a b'", 2, "`module:function`"),
        ("[tool.statebake.pex]\noutput = 1", 3, "path"),
        ("pex = { output = [] }", 2, "path"),
        ("\npex.args = ['requests']", 3, "list of options of `pex`, and requests is no option"),
    ],
)
def test_wrong_value_in_file(project, toml, line, expected):
    """A value of the wrong type is refused with the file, the line and what is expected."""
    directory = project(f"[tool.statebake]\n{toml}\n")
    error = refused(directory)
    assert error.code is Code.BAD_SETTING
    assert error.where == f"{directory}/pyproject.toml:{line}"
    assert expected in error.message


@pytest.mark.parametrize(
    ("flags", "env", "origin"),
    [
        ({"jobs": 0}, {}, "flag --jobs"),
        ({"pex.entry_point": ":"}, {}, "flag --entry-point"),
        ({}, {"STATEBAKE_JOBS": "many"}, "env STATEBAKE_JOBS"),
        ({}, {"STATEBAKE_JOBS": "-1"}, "env STATEBAKE_JOBS"),
        ({}, {"STATEBAKE_PEX_ARGS": "'open"}, "env STATEBAKE_PEX_ARGS"),
        ({"jobs": 1}, {"STATEBAKE_JOBS": "many"}, "env STATEBAKE_JOBS"),
    ],
)
def test_wrong_value_elsewhere(tmp_path, flags, env, origin):
    """A wrong flag or variable is refused by its name, even where a stronger value hides it."""
    error = refused(tmp_path, flags, env)
    assert error.code is Code.BAD_SETTING
    assert origin in error.message
    assert error.next_step == f"correct {origin.split()[1]}"


def test_no_secret_shown(tmp_path):
    """Credentials in a URL appear neither in an error nor in the rows."""
    url = "https://user:hunter2@example.org/simple"
    assert "hunter2" not in str(refused(tmp_path, env={"STATEBAKE_PEX_ARGS": f"-i '{url}"}))
    resolved = resolve(tmp_path, {}, {"STATEBAKE_PEX_ARGS": f"-i {url}"})
    assert resolved.settings.pex.args == ("-i", url)
    row = ("pex.args", "-i https://***@example.org/simple", "env STATEBAKE_PEX_ARGS")
    assert row in render_rows(resolved)


@pytest.mark.parametrize(
    ("toml", "line", "message"),
    [
        ("jobbs = 1", 2, "jobbs is not a setting; did you mean jobs?"),
        ("defs-module = 'x'", 2, "defs-module is not a setting; did you mean defs_module?"),
        ("[tool.statebake.pex]\noutptu = 1", 3, "pex.outptu is not a setting; did you mean pex.output?"),
        ("[tool.statebake.pexx]\nlock = 1", 2, "pexx is not a setting; did you mean pex?"),
        ("zzzzzz = 1", 2, "zzzzzz is not a setting"),
    ],
)
def test_unknown_key(project, toml, line, message):
    """An unknown key is refused with its line and the name that was probably meant."""
    directory = project(f"[tool.statebake]\n{toml}\n")
    error = refused(directory)
    assert error.code is Code.UNKNOWN_SETTING
    assert (error.message, error.where) == (message, f"{directory}/pyproject.toml:{line}")


def test_all_unknown_keys_are_told(project):
    """With several unknown keys one error names them all."""
    error = refused(project(statebake="jobbs = 1\nhots = 'native'\n"))
    assert "jobbs" in error.message
    assert "hots is not a setting; did you mean host?" in (error.detail or "")


def test_pyproject_table_in_statebake_toml(project):
    """Somebody who writes [tool.statebake] into statebake.toml is told what to do."""
    error = refused(project(statebake="[tool.statebake]\njobs = 1\n"))
    assert error.code is Code.UNKNOWN_SETTING
    assert "top level" in (error.next_step or "")


@pytest.mark.parametrize(("toml", "line"), [("[tool]\nstatebake = 1", 2), ("[tool.statebake]\npex = 1", 2)])
def test_not_a_table(project, toml, line):
    """A value where a table belongs is refused with its line."""
    directory = project(toml)
    error = refused(directory)
    assert (error.code, error.where) == (Code.BAD_SETTING, f"{directory}/pyproject.toml:{line}")


@pytest.mark.parametrize(
    ("content", "line"),
    [(b"a = 1\nb = = 2\n", 2), (b"a = 1\n\nb = '", 3), (b"a = 1\nb = '\xff'\n", 2), (b"[a]\n[a]\n", 2)],
)
def test_broken_toml(tmp_path, content, line):
    """A file that is not TOML is refused with file and line."""
    (tmp_path / "statebake.toml").write_bytes(content)
    error = refused(tmp_path)
    assert (error.code, error.where) == (Code.BAD_TOML, f"{tmp_path}/statebake.toml:{line}")


def test_unknown_variables_are_warnings(tmp_path):
    """Unknown STATEBAKE_ variables are warned of by name, never by value; the known others are not."""
    env = {
        "STATEBAKE_PYHTON": "hunter2",
        "STATEBAKE_DEV": "1",
        "STATEBAKE_REQUIRE": "docker",
        "STATEBAKE_CACHE_DIR": "cache",
        "STATE": "",
    }
    warnings = resolve(tmp_path, {}, env).warnings
    assert warnings == ("STATEBAKE_PYHTON is not a variable of statebake; did you mean STATEBAKE_PYTHON?",)


def test_flag_of_no_setting(tmp_path):
    """A flag that belongs to no setting is a bug of the caller."""
    with pytest.raises(ValueError, match="nonsense"):
        resolve(tmp_path, {"nonsense": 1}, {})


def test_rows(tmp_path):
    """The rows hold all settings in the table's order."""
    rows = render_rows(resolve(tmp_path, {"packages": ("a", "b c")}, {}))
    assert [row[0] for row in rows] == [setting.name for setting in SETTINGS]
    assert ("packages", "a 'b c'", "flag --package") in rows
    assert ("jobs", "32", "default") in rows
    assert ("host", "-", "default") in rows


WRONG = {
    Kind.NATURAL: ["-1", "1.5", "x"],
    Kind.DURATION: ["0", "-1s", "1w", "s", "1h30m", "nan", "1e3", "99999d"],
    Kind.AGE: ["-1s", "1w", "s", "99999d"],
    Kind.SIZE: ["-1", "1XB", "MB", "1,5MB"],
    Kind.SHARE: ["0.2", "20", "101%", "-1%", "%"],
    Kind.FAILURE_POLICY: ["Fail", "keep"],
    Kind.ISOLATION: ["thread"],
    Kind.VERIFICATION: ["Sealed", "none"],
    Kind.CODE: ["Wheel", "sources"],
    Kind.STRATEGIES: ["LOCAL", "local_filesystem", "LOCAL_FILESYSTEM,x"],
}


@pytest.mark.parametrize("text", [(kind, text) for kind, texts in WRONG.items() for text in texts], ids=str)
def test_wrong_values(tmp_path, text):
    """What is no duration, size, share or choice is refused, and the message says what is expected."""
    kind, value = text
    setting = next(setting for setting in SETTINGS if setting.type is kind)
    error = refused(tmp_path, env={setting.env: value})
    assert error.code is Code.BAD_SETTING
    assert error.message.endswith(f"expected: {kind.value}")


@given(st.sampled_from(["min_bytes", "timeout"]), st.integers(1, 10**8))
def test_shown_values_can_be_given(tmp_path_factory, name, number):
    """What ``statebake config`` shows of a size or a duration means the same when it is given."""
    directory = tmp_path_factory.mktemp("project")
    resolved = resolve(directory, {name: number}, {})
    shown = next(value for row, value, _ in render_rows(resolved) if row == name)
    assert resolve(directory, {name: shown}, {}).settings == resolved.settings


FOR_SOME = """
    [tool.statebake]
    timeout = "1m"

    [tool.statebake.keys."Weather[*]"]
    timeout = "2m"
    retries = 0

    [tool.statebake.keys."Weather[oslo]"]
    timeout = "3m"

    [tool.statebake.limits]
    "Weather" = 2
    "*[https://x/*]" = 1
"""


def test_settings_of_some_keys(project):
    """Tables of patterns come in their order, each value with its line; limits as well."""
    resolved = resolve(project(FOR_SOME), {}, {})
    assert resolved.settings.timeout == 60
    assert resolved.settings.keys == (
        KeySettings("Weather[*]", {"timeout": 120.0, "retries": 0}),
        KeySettings("Weather[oslo]", {"timeout": 180.0}),
    )
    assert resolved.settings.limits == (Limit("Weather", 2), Limit("*[https://x/*]", 1))
    assert resolved.origins['keys."Weather[*]".retries'] == "pyproject.toml:7"
    rows = render_rows(resolved)
    assert ('keys."Weather[oslo]".timeout', "3m", "pyproject.toml:10") in rows
    assert ('limits."Weather"', "2", "pyproject.toml:13") in rows


@pytest.mark.parametrize("sources", [{"flags": {"timeout": "5s"}}, {"env": {"STATEBAKE_TIMEOUT": "5s"}}])
def test_what_is_given_for_this_run_counts_for_all_keys(project, sources):
    """A flag or a variable hides the setting in the tables of some keys, and only that one."""
    settings = resolve(project(FOR_SOME), sources.get("flags", {}), sources.get("env", {})).settings
    assert settings.timeout == 5
    assert settings.keys == (KeySettings("Weather[*]", {"retries": 0}),)


@pytest.mark.parametrize(
    ("toml", "code", "message"),
    [
        ('keys."A*".timeot = 1', Code.UNKNOWN_SETTING, 'keys."A*".timeot is not a setting; did you mean timeout?'),
        ('keys."A*".jobs = 1', Code.UNKNOWN_SETTING, 'keys."A*".jobs holds for the whole project only'),
        ('keys."A*".timeout = 0', Code.BAD_SETTING, 'keys."A*".timeout is 0'),
        ('keys."A*".policy.max_ag = 1', Code.UNKNOWN_SETTING, 'keys."A*".policy.max_ag is not a setting; did you mean'),
        (
            'keys."A*".policy.require_keys = []',
            Code.UNKNOWN_SETTING,
            'keys."A*".policy.require_keys holds for the whole',
        ),
        ('keys."A*".policy.max_age = 0', Code.BAD_SETTING, 'keys."A*".policy.max_age is 0'),
        ('keys."A*".policy = 1', Code.BAD_SETTING, "tool.statebake.keys.A*.policy in pyproject.toml is not a table"),
        ('keys."A*".pex.args = []', Code.UNKNOWN_SETTING, 'keys."A*".pex.args holds for the whole project'),
        ("keys.A = 1", Code.BAD_SETTING, "tool.statebake.keys.A in pyproject.toml is not a table"),
        ("limits.A = 0", Code.BAD_SETTING, 'limits."A" is 0'),
        ("limits = 1", Code.BAD_SETTING, "tool.statebake.limits in pyproject.toml is not a table"),
        ("limit = 1", Code.UNKNOWN_SETTING, "limit is not a setting; did you mean limits?"),
    ],
)
def test_wrong_tables(project, toml, code, message):
    """What is wrong in a table of some keys is named with its pattern and its line."""
    error = refused(project(f"[tool.statebake]\n{toml}\n"))
    assert (error.code, error.message[: len(message)]) == (code, message)
    assert error.where is not None
    assert error.where.endswith("pyproject.toml:2")


def test_disagreement_about_some_keys(project):
    """Two files that say different things of one pattern disagree."""
    directory = project('[tool.statebake]\nkeys."A".retries = 1\n', 'keys."A".retries = 2\n')
    assert refused(directory).code is Code.CONFIGS_DISAGREE


def test_policy_of_some_keys(project):
    """A setting in a table keeps its table among the settings of some keys; the rest of the policy stays as it is."""
    resolved = resolve(
        project(
            """
            [tool.statebake.policy]
            max_age = "7d"
            require_keys = ["A*"]
            [tool.statebake.keys."A[1]"]
            policy.max_age = "1d"
            policy.min_definitions = 2
            [tool.statebake.keys."A[*]".policy]
            max_size = "1kB"
            """
        ),
        {},
        {},
    )
    first, second, other = (settings_for(resolved.settings, key, "x.A").policy for key in ("A[1]", "A[2]", "B"))
    assert first == PolicySettings(86400.0, 1000, ("A*",), (), 2)
    assert second == PolicySettings(604800.0, 1000, ("A*",))
    assert other == resolved.settings.policy == PolicySettings(604800.0, require_keys=("A*",))
    rows = render_rows(resolved)
    assert ('keys."A[1]".policy.max_age', "1d", "pyproject.toml:6") in rows
    assert ('keys."A[*]".policy.max_size', "1kB", "pyproject.toml:9") in rows
    flagged = resolve(project(), {"policy.max_age": "2d"}, {}).settings
    assert settings_for(flagged, "A[1]", "x.A").policy.max_age == 172800
