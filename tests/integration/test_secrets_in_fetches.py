"""Secrets in what was fetched: they never reach the committed state, whichever way they are written."""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import os
import urllib.parse
from collections.abc import Callable
from pathlib import Path

import pytest

from support.cli import Result, statebake
from support.hosts import NATIVE, ONE_DAGSTER, HostKit
from support.shown import Shown, assert_no_crash, shown, the_error
from support.trees import leftovers, read_tree, write_tree

RANDOM = base64.b64encode(hashlib.sha512(b"of this test").digest()).decode().replace("/", "a").replace("+", "b")
VALUE = "v4lue-of/a+secret:" + "Zx9" * 3
ENV = {"SHOP_PASSWORD": VALUE}
OLD = "the state of yesterday"
ENCODERS: dict[str, Callable[[str], bytes]] = {
    "plain": str.encode,
    "base64": lambda text: base64.b64encode(b"user:" + text.encode()),
    "base64url": lambda text: base64.urlsafe_b64encode(b"user1:" + text.encode()),
    "url": lambda text: urllib.parse.quote(text, safe="").encode(),
    "json": lambda text: json.dumps({"p": text}).replace("/", "\\/").encode(),
    "hex": lambda text: text.encode().hex().encode(),
    "utf-16": lambda text: text.encode("utf-16"),
    "gzip": lambda text: gzip.compress(b"x" * 100 + text.encode()),
}


def writing(host: HostKit, content: bytes, more: str = "", name: str = "it") -> str:
    return host.code(name, f"state_path.write_bytes({content!r}); {more}")


def project_with(root: Path, host: HostKit, settings: str = "") -> Path:
    """Write a project with good state and these settings."""
    project = host.project(root, [writing(host, OLD.encode())])
    statebake("refresh", cwd=project, env=host.env).ok()
    return write_tree(project, {"statebake.toml": settings})


def refresh(project: Path, host: HostKit, content: bytes, *args: str, more: str = "", **env: str) -> Result:
    host.declare(project, [writing(host, content, more)])
    return statebake("refresh", *args, cwd=project, env={**host.env, **ENV, **env})


def kept_nothing(project: Path, host: HostKit, before: dict[str, str]) -> bool:
    """Return whether the state is as it was, and the secret is in no file of the state directory."""
    state = host.state_dir(project)
    texts = [path.read_bytes() for path in state.rglob("*") if path.is_file()]
    return read_tree(state) == before and leftovers(state) == [] and not any(VALUE.encode() in text for text in texts)


@pytest.mark.parametrize("host", ONE_DAGSTER)
def test_a_secret_is_not_committed(host: HostKit, tmp_path: Path) -> None:
    """The refresh ends with 5 and names variable, file and offset; the old state stays, and the value is nowhere."""
    project = project_with(tmp_path, host)
    before = read_tree(host.state_dir(project))
    result = refresh(project, host, b"0123456789" + VALUE.encode())
    error = the_error(result.err)
    assert (result.code, error.code, error.where) == (5, "SB501", f"{host.yaml}:1")
    assert "state has the value of SHOP_PASSWORD" in error.message
    assert error.message.endswith("at byte 10.")
    assert "--allow-secret SHOP_PASSWORD" in (error.next_step or "")
    assert VALUE not in result.out + result.err
    assert kept_nothing(project, host, before)


def test_encodings(tmp_path: Path) -> None:
    """A value is found however it is written."""
    contents = {name: encode(VALUE) for name, encode in ENCODERS.items()}
    project = NATIVE.project(tmp_path, [writing(NATIVE, content, name=name) for name, content in contents.items()])
    result = statebake("refresh", cwd=project, env=ENV)
    errors = [item for item in shown(result.err) if item.severity == "error"]
    assert (result.code, [item.code for item in errors]) == (5, ["SB501"] * len(ENCODERS))
    assert sorted(path.name for path in NATIVE.state_dir(project).iterdir()) == [".gitignore", ".staging"]
    assert leftovers(NATIVE.state_dir(project)) == []


CREDENTIALS = {
    "github-token": "ghp_" + RANDOM[:36],
    "private-key": "-----BEGIN PRIVATE " + f"KEY-----\n{RANDOM * 6}\n-----END PRIVATE " + "KEY-----\n",
    "url-credentials": "postgresql://loader:" + RANDOM[:16] + "@db.shop.internal/shop",
}


def test_what_looks_like_a_credential(tmp_path: Path) -> None:
    """A token in a known format, a private key and a URL with a password are found without any variable."""
    documents = [writing(NATIVE, f"x: {text}".encode(), name=rule) for rule, text in CREDENTIALS.items()]
    project = NATIVE.project(tmp_path, documents)
    result = statebake("refresh", cwd=project)
    errors = [item for item in shown(result.err) if item.severity == "error"]
    assert (result.code, [item.code for item in errors]) == (5, ["SB502"] * 3)
    assert not any(text in result.out + result.err for text in CREDENTIALS.values())
    rules = [(item.next_step or "").rpartition("--allow-secret ")[2] for item in errors]
    assert rules == list(CREDENTIALS)
    allowed = [word for rule in rules for word in ("--allow-secret", rule)]
    statebake("refresh", *allowed, cwd=project).ok()


ALLOWED = {
    "by variable": 'secrets.allow = ["SHOP_PASS*"]',
    "by path": 'secrets.allow = ["sta?e"]',
    "for a key": '[keys."Text[it]"]\nsecrets.allow = ["SHOP_PASSWORD"]',
    "off": 'secrets = "off"',
    "off for a class": '[keys."Code"]\nsecrets.mode = "off"',
}


@pytest.mark.parametrize("how", ALLOWED)
def test_allowed(how: str, tmp_path: Path) -> None:
    """What is allowed by name, path or key is committed without a word."""
    project = project_with(tmp_path, NATIVE, f"{ALLOWED[how]}\n")
    result = refresh(project, NATIVE, VALUE.encode()).ok()
    assert shown(result.err) == []


def test_not_allowed_for_another_key(tmp_path: Path) -> None:
    """What is allowed for one key is not for another."""
    project = project_with(tmp_path, NATIVE, '[keys."Text[other]"]\nsecrets.allow = ["*"]\n')
    assert refresh(project, NATIVE, VALUE.encode()).code == 5


def test_a_warning(tmp_path: Path) -> None:
    """With ``warn`` the state is committed and the finding shown, in JSON as well; the value is shown nowhere."""
    project = project_with(tmp_path, NATIVE)
    result = refresh(project, NATIVE, VALUE.encode(), "--secrets", "warn").ok()
    [warning] = shown(result.err)
    assert (warning.severity, warning.code) == ("warning", "SB501")
    assert VALUE not in result.out + result.err
    result = refresh(project, NATIVE, VALUE.encode() + b" ", "--secrets", "warn", "--format", "json").ok()
    [key] = result.json["projects"][0]["refresh"]["keys"]
    assert [(item["code"], item["severity"]) for item in key["warnings"]] == [("SB501", "warning")]
    assert VALUE not in result.out


def test_further_names(tmp_path: Path) -> None:
    """A variable whose name says nothing is secret where the settings say so."""
    project = project_with(tmp_path, NATIVE)
    env = {"SHOP_PASSWORD": "", "SHOP_LOGIN": VALUE}
    assert refresh(project, NATIVE, VALUE.encode(), **env).code == 0
    write_tree(project, {"statebake.toml": 'secrets = ["SHOP_L*"]\n'})
    result = refresh(project, NATIVE, VALUE.encode() + b" ", **env)
    assert (result.code, the_error(result.err).code) == (5, "SB501")


def test_variables_that_components_read(tmp_path: Path) -> None:
    """A variable that a declaration reads is secret, unless its name or its value says that it is none."""
    project = project_with(tmp_path, NATIVE)
    env = {
        "SHOP_PASSWORD": "",
        "SHOP_LOGIN": VALUE,
        "SHOP_URL": "https://shop.example.com/api",
        "SHOP_ID": "a77-b88-c99x",
    }
    document = NATIVE.text("it", text="{{ env.SHOP_LOGIN }} {{ env.SHOP_URL }} {{ env.SHOP_ID }}")
    NATIVE.declare(project, [document])
    result = statebake("refresh", cwd=project, env=env)
    error = the_error(result.err)
    assert (result.code, error.code) == (5, "SB501")
    assert "SHOP_LOGIN" in error.message
    NATIVE.declare(project, [document.replace("{{ env.SHOP_LOGIN }} ", "")])
    statebake("refresh", cwd=project, env=env).ok()


def test_the_projects_own_variables(tmp_path: Path) -> None:
    """What the project's ``.env`` sets is as secret as if it was exported."""
    project = project_with(tmp_path, NATIVE)
    write_tree(project, {".env": f"# of this machine\nexport SHOP_TOKEN='{VALUE}'\n"})
    result = refresh(project, NATIVE, VALUE.encode(), SHOP_PASSWORD="")
    assert (result.code, the_error(result.err).code) == (5, "SB501")


def test_what_a_project_calls_secret_is_not_shown(tmp_path: Path) -> None:
    """Values of the project's ``.env``, and of what its settings name, are taken out of all that is printed."""
    project = project_with(tmp_path, NATIVE, 'secrets = ["SHOP_L*"]\n')
    write_tree(project, {".env": f"SHOP_TOKEN={VALUE[::-1]}\n"})
    raising = f"print({VALUE!r}); raise RuntimeError({VALUE!r} + {VALUE[::-1]!r})"
    NATIVE.declare(project, [NATIVE.code("it", raising)])
    for shape in ("text", "json"):
        result = statebake("refresh", "--format", shape, "--retries", "0", cwd=project, env={"SHOP_LOGIN": VALUE})
        assert result.code == 4
        assert "RuntimeError" in result.out + result.err
        assert VALUE not in result.out + result.err
        assert VALUE[::-1] not in result.out + result.err


@pytest.mark.parametrize("shape", ["text", "json"])
def test_what_components_read_is_not_shown(shape: str, tmp_path: Path) -> None:
    """What the search knows from declarations is taken out of what fetches print, and of the reason of a stale key."""
    project = project_with(tmp_path, NATIVE, 'on_failure = "stale"\n')
    basic = base64.b64encode(f"bot:{VALUE}".encode()).decode()
    raising = f"print({basic!r}); raise RuntimeError({VALUE!r})"
    NATIVE.declare(project, [NATIVE.code("it", raising), NATIVE.text("other", source="{{ env.SHOP_X }}")])
    result = statebake("refresh", "--format", shape, "--retries", "1", cwd=project, env={"SHOP_X": VALUE})
    said = result.out + result.err + (NATIVE.state_dir(project) / "Text__it__/.statebake.json").read_text()
    assert "RuntimeError" in said
    assert VALUE not in said
    assert basic[8:-4] not in said


def test_a_secret_in_a_key(tmp_path: Path) -> None:
    """It would be in the record, and the name of a directory: nothing of it is committed, and ``verify`` finds it."""
    project = NATIVE.project(tmp_path, [NATIVE.text("{{ env.SHOP_PASSWORD }}", text="fine")])
    result = statebake("refresh", cwd=project, env=ENV)
    error = the_error(result.err)
    assert (result.code, error.code) == (5, "SB501")
    assert "its key has the value of SHOP_PASSWORD" in error.message
    assert not [path for path in NATIVE.state_dir(project).iterdir() if path.name.startswith("Text")]
    statebake("refresh", "--secrets", "off", cwd=project, env=ENV).ok()
    result = statebake("verify", cwd=project, env=ENV)
    assert (result.code, VALUE[:6] in result.out + result.err) == (5, False)
    assert ".statebake.json has the value of SHOP_PASSWORD" in result.out + result.err


@pytest.mark.parametrize("encode", [urllib.parse.quote, html.escape, lambda text: text.encode().hex()])
def test_a_secret_in_the_reason_of_stale_state(encode: Callable[[str], str], tmp_path: Path) -> None:
    """However an exception writes it, the record does not have it."""
    project = project_with(tmp_path, NATIVE, 'on_failure = "stale"\n')
    value = VALUE + '"&'
    NATIVE.declare(project, [NATIVE.code("it", f"raise ValueError({'GET /' + encode(value)!r})")])
    result = statebake("refresh", "--retries", "0", cwd=project, env={"SHOP_PASSWORD": value}).ok()
    said = result.out + result.err + (NATIVE.state_dir(project) / "Text__it__/.statebake.json").read_text()
    assert "GET /****" in said
    assert encode(value) not in said
    statebake("verify", cwd=project, env={"SHOP_PASSWORD": value}).ok()


def test_what_is_cut_is_masked_before(tmp_path: Path) -> None:
    """A secret on which a long line of a fetch is cut leaves no part of itself."""
    cut = [f"{'x' * (length - len(VALUE) // 2)} {VALUE} {'y' * 100}" for length in (176, 198, 398)]
    raising = f"print({cut[2]!r}); raise RuntimeError({cut[0]!r})"
    printing = f"print({cut[2]!r}); state_path.write_text('fine')"
    project = NATIVE.project(tmp_path, [NATIVE.code("bad", raising), NATIVE.code("good", printing)])
    result = statebake("refresh", "--retries", "1", "--verbose", cwd=project, env=ENV)
    assert "attempt 1 failed" in result.out
    assert VALUE[:6] not in result.out + result.err
    assert "x" * 100 in result.out


def test_both_values_of_a_variable(tmp_path: Path) -> None:
    """A variable that has one value in ``.env`` and another in the environment is searched for by both."""
    project = project_with(tmp_path, NATIVE)
    write_tree(project, {".env": f"SHOP_PASSWORD={VALUE[::-1]}\n"})
    for value in (VALUE, VALUE[::-1]):
        assert the_error(refresh(project, NATIVE, value.encode()).err).code == "SB501"


def test_what_cannot_be_unpacked(tmp_path: Path) -> None:
    """State that is packed so that it cannot be searched is told of."""
    project = project_with(tmp_path, NATIVE)
    result = refresh(project, NATIVE, b"7z\xbc\xaf\x27\x1c" + bytes(100)).ok()
    assert [(item.severity, item.code) for item in shown(result.err)] == [("warning", "SB505")]


def test_short_values_are_not_looked_for(tmp_path: Path) -> None:
    """A value that is too short to be told from ordinary text is ignored, which is said, with the reason."""
    project = project_with(tmp_path, NATIVE)
    result = refresh(project, NATIVE, b"abc123 and more", SHOP_PASSWORD="abc123").ok()
    assert "note: SHOP_PASSWORD is not searched for: " in result.out
    assert "abc123" not in result.out.replace("state_path", "")


def test_old_state_does_not_excuse_it(tmp_path: Path) -> None:
    """With ``on_failure = "stale"`` too, a secret fails the refresh: it is no outage."""
    project = project_with(tmp_path, NATIVE, 'on_failure = "stale"\n')
    before = read_tree(NATIVE.state_dir(project))
    assert refresh(project, NATIVE, VALUE.encode()).code == 5
    assert read_tree(NATIVE.state_dir(project)) == before


def named(warning: Shown) -> str:
    """Return the file that a warning of ``Text[it]`` names."""
    return warning.message.removeprefix("Text[it]: ").partition(" is ")[0]


def test_files_that_should_not_ship(tmp_path: Path) -> None:
    """They are named in a warning, and left out by ``--scrub``."""
    project = project_with(tmp_path, NATIVE)
    more = (
        "[(state_path.parent / name).parent.mkdir(parents=True, exist_ok=True) or"
        " (state_path.parent / name).write_text('x') for name in ('.env', 'p/.git/HEAD', 'p/.git/config', 'p/key.pem')]"
    )
    result = refresh(project, NATIVE, b"new", more=more).ok()
    found = shown(result.err)
    assert {(item.severity, item.code) for item in found} == {("warning", "SB503")}
    assert [named(item) for item in found] == [".env", "p/.git/", "p/key.pem"]
    result = refresh(project, NATIVE, b"newer", "--scrub", more=more).ok()
    assert [named(item) for item in shown(result.err)] == ["p/.git/"]
    files = {path.relative_to(NATIVE.state_dir(project)).as_posix() for path in NATIVE.state_dir(project).rglob("*")}
    assert not any(name.endswith((".env", ".pem")) for name in files)


def test_a_remote_with_a_token(tmp_path: Path) -> None:
    """A checkout that keeps the token it was cloned with is refused, and taken with ``--scrub``, without the token."""
    project = project_with(tmp_path, NATIVE)
    url = "https://x-access-token:" + RANDOM[:24] + "@git.shop.internal/team/shop.git"
    git = "subprocess.run(['git', '-C', str(state_path.parent), {}], check=True)"
    init, remote = "'init', '-q', 'project'", f"'-C', 'project', 'remote', 'add', 'origin', {url!r}"
    more = f"import subprocess; {git.format(init)}; {git.format(remote)}"
    result = refresh(project, NATIVE, b"new", more=more)
    error = the_error(result.err)
    assert (result.code, error.code) == (5, "SB502")
    assert error.message.startswith("What the fetch of 'Text[it]' wrote has a secret in it: project/.git/config has ")
    assert error.next_step
    assert error.next_step.startswith("statebake refresh --scrub --key 'Text[it]'")
    result = refresh(project, NATIVE, b"new", "--scrub", more=more).ok()
    assert "1 file of git scrubbed" in result.out
    config = next(NATIVE.state_dir(project).rglob(".git/config")).read_text()
    assert "url = https://git.shop.internal/team/shop.git" in config


def test_paths_of_this_machine(tmp_path: Path) -> None:
    """A path of the place that it was fetched to is a warning, which can be allowed by its rule."""
    project = project_with(tmp_path, NATIVE)
    content = "state_path.write_text(str(state_path))"
    NATIVE.declare(project, [NATIVE.code("it", content)])
    result = statebake("refresh", cwd=project).ok()
    assert [(item.severity, item.code) for item in shown(result.err)] == [("warning", "SB504")]
    assert shown(statebake("refresh", "--allow-secret", "staging-path", cwd=project).ok().err) == []


def test_a_profile_with_a_password(tmp_path: Path) -> None:
    """A password that a ``profiles.yml`` has written out is found, and one that comes from a variable is none."""
    project = project_with(tmp_path, NATIVE)
    profile = "shop: {{outputs: {{dev: {{type: postgres, password: {}}}}}}}"

    def more(password: str) -> str:
        return f"(state_path.parent / 'profiles.yml').write_text({profile.format(password)!r})"

    result = refresh(project, NATIVE, b"new", more=more("hunter2-hunter2"))
    error = the_error(result.err)
    assert (result.code, error.code) == (5, "SB502")
    assert "shop.outputs.dev.password" in error.message
    write_tree(tmp_path, {"safe.yml": profile.format("\"{{ env_var('DB') }}\"")})
    copy = f"__import__('shutil').copy({str(tmp_path / 'safe.yml')!r}, state_path.parent / 'profiles.yml')"
    assert refresh(project, NATIVE, b"new", more=copy).code == 0


@pytest.mark.parametrize(
    "leave",
    [
        "os.mkfifo(state_path.parent / 'fifo')",
        "(state_path.parent / 'sparse').open('wb').truncate(1 << 40)",
        "(state_path.parent / 'link').symlink_to('/etc/passwd')",
        "__import__('shutil').rmtree(state_path.parent)",
        "__import__('shutil').rmtree(state_path.parent.parent)",
        "(state_path.parent / 'x.zip').write_bytes(b'PK\\x03\\x04' + bytes(1000))",
        "(state_path.parent / 'x.gz').write_bytes(b'\\x1f\\x8b\\x08' + bytes(1000))",
    ],
    ids=["fifo", "sparse", "link", "no-directory", "no-staging", "no-zip", "no-gzip"],
)
def test_odd_state(leave: str, tmp_path: Path) -> None:
    """What is no state is refused as before, soon and without a crash; a broken archive is only bytes."""
    project = project_with(tmp_path, NATIVE)
    before = read_tree(NATIVE.state_dir(project))
    result = refresh(project, NATIVE, b"new", more=leave)
    assert_no_crash(result.err)
    broken_archive = "x." in leave
    assert result.code == (0 if broken_archive else 4), result.err
    if not broken_archive:
        assert {name: text for name, text in read_tree(NATIVE.state_dir(project)).items() if "Text" in name} == {
            name: text for name, text in before.items() if "Text" in name
        }


def test_nothing_else_is_slower_to_say(tmp_path: Path) -> None:
    """All keys with secrets are told of, each with all that is in it."""
    project = NATIVE.project(
        tmp_path,
        [
            NATIVE.code("a", f"state_path.write_text({VALUE!r}); (state_path.parent / 'b').write_text({VALUE!r})"),
            NATIVE.code("b", f"state_path.write_text({VALUE!r})"),
            NATIVE.text("c"),
        ],
    )
    result = statebake("refresh", cwd=project, env=ENV)
    errors = [item for item in shown(result.err) if item.severity == "error"]
    assert (result.code, [item.code for item in errors]) == (5, ["SB501", "SB501"])
    assert [len(item.detail) for item in errors] == [1, 0]
    assert sorted(os.listdir(NATIVE.state_dir(project))) == [".gitignore", ".staging", "Text__c__"]  # noqa: PTH208
