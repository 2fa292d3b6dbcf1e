"""Time-outs and further attempts: what may pass is tried again, as the server asks; what cannot pass is not."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path

import pytest

from support.api import Answer, Api, fetching
from support.cli import statebake
from support.hosts import ONE_DAGSTER, HostKit
from support.native import code_component, documents, native_project, state_dir
from support.reports import attempts, keys_of, outcomes
from support.shown import assert_no_crash, the_error
from support.trees import write_tree

HANG = "import time\ntime.sleep(600)"


# --- time-outs -------------------------------------------------------------------------------------------------------


def test_a_timeout_for_some_keys(tmp_path: Path) -> None:
    """The last table that matches a key counts, and a flag counts for all keys."""
    nap = "import time\ntime.sleep(1.5)\nstate_path.write_text('done')"
    names = ("short", "long", "other")
    project = native_project(tmp_path, documents(*(code_component(name, nap) for name in names)))
    settings = 'retries = 0\n[keys."Code"]\ntimeout = "500ms"\n[keys."Text[long]"]\ntimeout = "30s"\n'
    write_tree(project, {"statebake.toml": settings.replace("500ms", "0.5s")})
    result = statebake("refresh", "--format", "json", cwd=project, timeout=30)
    assert result.code == 4
    assert outcomes(result) == {"Text[short]": "failed", "Text[long]": "updated", "Text[other]": "failed"}
    error = keys_of(result)["Text[short]"]["error"]
    assert (error["code"], "0.5 s" in error["message"]) == ("SB411", True)
    assert "--timeout 1s" in error["next_step"]
    result = statebake("refresh", "--timeout", "20s", "--format", "json", cwd=project, timeout=30).ok()
    assert set(outcomes(result).values()) == {"updated", "unchanged"}


@pytest.mark.parametrize("host", ONE_DAGSTER)
def test_a_timeout_is_tried_again(host: HostKit, tmp_path: Path) -> None:
    """A fetch that hangs once is ended and succeeds with the next attempt, in a fresh directory."""
    once = (
        f"seen = Path({str(tmp_path / 'seen')!r})\n"
        "if not seen.exists():\n"
        "  seen.touch()\n  (state_path.parent / 'half').touch()\n  import time; time.sleep(600)\n"
        "assert not any(state_path.parent.iterdir())\nstate_path.write_text('x')"
    )
    project = host.project(tmp_path / "it", [host.code("once", once)])
    result = statebake("refresh", "--timeout", "2s", "--format", "json", cwd=project, env=host.env, timeout=60).ok()
    assert attempts(result) == {"Text[once]": 2}
    assert keys_of(result)["Text[once]"]["duration_s"] < 2
    place = host.state_dir(project) / "Text__once__"
    assert sorted(path.name for path in place.iterdir()) == [".statebake.json", "state"]


# --- what may pass, and what may not ---------------------------------------------------------------------------------


def test_a_server_that_is_down_for_a_while(api: Api, tmp_path: Path) -> None:
    """503 and 429 are tried again, as often as the settings say; 401, 404 and a bug are not."""
    api.script("/down", Answer(503), Answer(429), Answer(200))
    api.script("/for-long", Answer(503))
    api.script("/never", Answer(404))
    api.script("/forbidden", Answer(401))
    texts = [code_component(name, fetching(f"{api.url}/{name}")) for name in ("down", "for-long", "never", "forbidden")]
    bug = fetching(f"{api.url}/bug") + "\nlen(5)"
    project = native_project(tmp_path, documents(*texts, code_component("bug", bug)))
    result = statebake("refresh", "--format", "json", cwd=project, timeout=30)
    assert result.code == 4
    names = ("down", "for-long", "never", "forbidden", "bug")
    assert {name: api.count(f"/{name}") for name in names} == dict(zip(names, (3, 3, 1, 1, 1), strict=True))
    assert attempts(result) == {f"Text[{name}]": api.count(f"/{name}") for name in names}
    assert outcomes(result)["Text[down]"] == "updated"
    found = keys_of(result)
    for name, says in (("for-long", "503"), ("never", "404"), ("forbidden", "401"), ("bug", "TypeError")):
        assert says in found[f"Text[{name}]"]["error"]["message"]
    again = statebake("refresh", "--key", "Text[for-long]", "--retries", "0", cwd=project)
    assert (again.code, api.count("/for-long")) == (4, 4)
    text = statebake("refresh", "--key", "Text[for-long]", cwd=project)
    assert "attempt 2 failed" in text.out
    assert "tried 3 times" in text.err


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    """A refused connection is tried again."""
    project = native_project(tmp_path, code_component("it", fetching("http://127.0.0.1:9/")))
    result = statebake("refresh", "--format", "json", cwd=project, timeout=30)
    assert (result.code, attempts(result)) == (4, {"Text[it]": 3})


# --- Retry-After -----------------------------------------------------------------------------------------------------


def test_the_server_says_when_to_come_again(api: Api, tmp_path: Path) -> None:
    """``Retry-After`` is honoured, in seconds or as a date."""
    date = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=5), usegmt=True)
    due = time.monotonic() + 4  # a date has no fractions
    api.script("/seconds", Answer(429, {"Retry-After": "2"}), Answer(200))
    api.script("/date", Answer(503, {"retry-after": date}), Answer(200))
    texts = [code_component(name, fetching(f"{api.url}/{name}")) for name in ("seconds", "date")]
    project = native_project(tmp_path, documents(*texts))
    statebake("refresh", cwd=project, timeout=30).ok()
    assert api.pauses("/seconds")[0] >= 2
    assert api.asked["/date"][1] >= due
    assert api.asked["/date"][1] < due + 5


def test_an_answer_that_says_nothing_of_use(api: Api, tmp_path: Path) -> None:
    """A ``Retry-After`` that is none, or is over, changes nothing."""
    values = ["", "soon", "-5", "1.5", "Fri, 31 Feb 2020 25:00:00 GMT", "²", "0"]
    texts = []
    for number, value in enumerate(values):
        api.script(f"/{number}", Answer(503, {"Retry-After": value}), Answer(200))
        texts.append(code_component(str(number), fetching(f"{api.url}/{number}")))
    project = native_project(tmp_path, documents(*texts))
    result = statebake("refresh", "--format", "json", cwd=project, timeout=20).ok()
    assert set(attempts(result).values()) == {2}


@pytest.mark.parametrize("asked", ["3600", "9" * 400])
def test_the_server_asks_for_an_hour(asked: str, api: Api, tmp_path: Path) -> None:
    """A pause that is too long ends the key at once, with the failure and the reason."""
    api.script("/it", Answer(503, {"Retry-After": asked}), Answer(200))
    project = native_project(tmp_path, code_component("it", fetching(f"{api.url}/it")))
    begun = time.monotonic()
    result = statebake("refresh", cwd=project, timeout=30)
    assert time.monotonic() - begun < 5
    error = the_error(result.err)
    assert (result.code, error.code, api.count("/it")) == (4, "SB401", 1)
    assert "503" in error.message
    assert "asks to wait" in error.message


def test_an_hour_for_what_cannot_pass(api: Api, tmp_path: Path) -> None:
    """Where there would be no other attempt in any case, its pause is not the reason."""
    api.script("/it", Answer(404, {"Retry-After": "3600"}))
    project = native_project(tmp_path, code_component("it", fetching(f"{api.url}/it")))
    result = statebake("refresh", cwd=project, timeout=30)
    assert "asks to wait" not in the_error(result.err).message


def test_a_long_pause_of_our_own(tmp_path: Path) -> None:
    """However long the settings' own pause becomes, it is not what a server asks for."""
    project = native_project(tmp_path, code_component("it", "raise ConnectionError('gone')"))
    env = {"STATEBAKE_BACKOFF": "1h"}
    result = statebake("refresh", "--deadline", "1s", cwd=project, env=env, timeout=30)
    assert "asks to wait" not in result.err
    assert "attempt 1 failed" in result.out


# --- the exceptions of HTTP clients ----------------------------------------------------------------------------------

# What each client's exceptions look like, with a status and the seconds of a Retry-After header.
CLIENTS = """
import email.message
import io
import urllib.error


class Response:
    def __init__(self, **fields):
        self.__dict__.update(fields)


class ClientError(Exception):
    def __init__(self, text, **fields):
        super().__init__(text)
        self.__dict__.update(fields)


class Headers:  # as multidict's: neither a dict nor a Mapping, and its names have no case
    def __init__(self, wait):
        self.wait = wait
    def keys(self):
        return ["RETRY-AFTER"]
    def __getitem__(self, name):
        return self.wait


def requests(status, wait):
    return ClientError("requests", response=Response(status_code=status, headers={"Retry-After": wait}))


def httpx(status, wait):
    return ClientError("httpx", response=Response(status_code=status, headers=Headers(wait)), request=object())


def aiohttp(status, wait):
    return ClientError("aiohttp", status=status, headers=Headers(wait), request_info=object())


def botocore(status, wait):
    meta = {"HTTPStatusCode": status, "HTTPHeaders": {"retry-after": wait}}
    return ClientError("botocore", response={"Error": {"Code": "Throttling"}, "ResponseMetadata": meta})


def urllib(status, wait):
    headers = email.message.Message()
    headers["Retry-After"] = wait
    return __import__("urllib.error").error.HTTPError("http://it", status, "text", headers, io.BytesIO())


def urllib3(status, wait):
    return ClientError("urllib3", response=Response(status=status, headers={"Retry-After": wait}))


def bare(error, status, wait):
    raise error


def wrapped(error, status, wait):
    try:
        raise error
    except Exception as cause:
        raise RuntimeError("cannot list the connectors") from cause


def deep(error, status, wait):
    try:
        wrapped(error, status, wait)
    except Exception as cause:
        raise ValueError("cannot refresh") from cause


def while_handled(error, status, wait):
    try:
        raise error
    except Exception:
        raise RuntimeError("cannot list the connectors")
"""
NAMES = ("requests", "httpx", "aiohttp", "botocore", "urllib", "urllib3")
WAYS = ("bare", "wrapped", "deep", "while_handled")


def test_the_exceptions_of_http_clients(tmp_path: Path) -> None:
    """Their status and their Retry-After are found in each, and in what was raised because of them."""
    texts, passing, lasting = [], [], []
    for name in NAMES:
        for way in WAYS:
            for status, kind in ((503, passing), (403, lasting)):
                wait = 7200 if way == "bare" and status == 503 else 0
                code = f"from shop import clients\nclients.{way}(clients.{name}({status}, '{wait}'), {status}, {wait})"
                kind.append(f"Text[{name} {way} {status}]")
                texts.append(code_component(f"{name} {way} {status}", code))
    project = native_project(tmp_path, documents(*texts), {"src/shop/clients.py": CLIENTS})
    result = statebake("refresh", "--retries", "1", "--format", "json", cwd=project, timeout=60)
    assert result.code == 4
    found = keys_of(result)
    assert {item["error"]["code"] for item in found.values()} == {"SB401"}
    assert {key for key, count in attempts(result).items() if count == 2} == {
        key for key in passing if "bare" not in key
    }
    assert all("7200 s" in found[key]["error"]["message"] for key in passing if "bare" in key)
    assert all(found[key]["attempts"] == 1 for key in lasting)


HOSTILE = {
    "raises": "class E(Exception):\n  @property\n  def status(self): raise RuntimeError('no status')\nraise E('real')",
    "dies": "class E(Exception):\n  @property\n  def response(self): raise SystemExit(9)\nraise E('real')",
    "odd headers": "e = Exception('real'); e.status = 500; e.headers = 'abc'\nraise e",
    "odd botocore": "e = Exception('real'); e.response = {'ResponseMetadata': None}\nraise e",
    "everything": "class E(Exception):\n  def __getattr__(self, name): return E(name)\nraise E('real')",
    "loop": "e = ValueError('real'); f = KeyError(); e.__cause__ = f; f.__cause__ = e\nraise e",
    "a long chain": "e = None\nfor n in range(10000):\n  f = ValueError('real'); f.__cause__ = e; e = f\nraise e",
}


def test_exceptions_whose_attributes_are_something_else(tmp_path: Path) -> None:
    """Whatever is behind an attribute's name, the exception is reported as what it is."""
    texts = [code_component(name, code) for name, code in HOSTILE.items()]
    project = native_project(tmp_path, documents(*texts))
    result = statebake("refresh", "--retries", "0", "--format", "json", cwd=project, timeout=60)
    assert_no_crash(result.err)
    errors = {key: item["error"] for key, item in keys_of(result).items()}
    assert {key for key, error in errors.items() if error["code"] != "SB401" or "real" not in error["message"]} == set()


# As `asyncio.TaskGroup` raises it; an older Python has it from a package.
GROUP = """
import urllib.request

class ExceptionGroup(Exception):
    exceptions = ()

try:
    urllib.request.urlopen({url!r})
except Exception as error:
    group = ExceptionGroup("unhandled errors in a TaskGroup (1 sub-exception)")
    group.exceptions = (error,)
    raise group from None
"""


def test_a_group_of_exceptions(api: Api, tmp_path: Path) -> None:
    """Of what failed side by side in one fetch the message names each; what cannot pass is not tried again."""
    api.script("/never", Answer(404))
    api.script("/down", Answer(503))
    texts = [
        code_component("never", GROUP.format(url=f"{api.url}/never")),
        code_component("down", GROUP.format(url=f"{api.url}/down")),
    ]
    project = native_project(tmp_path, documents(*texts))
    result = statebake("refresh", "--format", "json", cwd=project, timeout=60)
    assert attempts(result) == {"Text[never]": 1, "Text[down]": 3}
    found = keys_of(result)
    assert "404" in found["Text[never]"]["error"]["message"]
    assert "503" in found["Text[down]"]["error"]["message"]
    assert not any(path.name == "state" for path in state_dir(project).rglob("*"))
