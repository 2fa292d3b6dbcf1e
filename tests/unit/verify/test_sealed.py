"""Judging what a sealed load told."""

from __future__ import annotations

import pytest

from statebake.errors import Code
from statebake.hosts.sealing import Listener, SealedLoad, sealed_load
from statebake.model.finding import Severity
from statebake.verify.sealed import SealedRules, definitions_per_key, judge_load

NORTH, SOUTH = "Stations[north]", "Stations[south]"
PLACES = {
    NORTH: ("src/shop/defs/stations/defs.yaml:2",),
    SOUTH: ("src/shop/defs/stations/defs.yaml:8",),
}
RULES = SealedRules(places=PLACES, within_s=60)
SEALS = {"event": "seals", "by": ["no network (namespaces)"], "missing": []}


def enter(number: int, key: str, **fields) -> dict:
    place = PLACES[key][0].removeprefix("src/")
    return {
        "event": "enter",
        "key": key,
        "type": "shop.Stations",
        "declared_at": f"/root/pex/user_code/{place}",
        "management_type": "LOCAL_FILESYSTEM",
        **fields,
    }


def leave(number: int, definitions: int = 3, error: str | None = None) -> dict:
    return {"event": "leave", "definitions": definitions, "error": error}


def loaded(*opened: str) -> dict:
    return {"event": "loaded", "opened": list(opened), "seconds": 1.5, "pins": pins()}


def pins(*keys: str, file: str | None = None, problem: str | None = None) -> dict:
    return {"file": file, "keys": list(keys), "problem": problem}


ALL = loaded("Stations__north__", "Stations__south__")
ENDED = {"event": "ended", "exit": 0, "signal": None}
GOOD = [SEALS, enter(0, NORTH), leave(0), enter(1, SOUTH), leave(1, 4), ALL, ENDED]

LONE = dict.fromkeys(("key", "type", "declared_at", "management_type"), "x")


def attempt(host="api.example.com", port: int | None = 443, **fields) -> dict:
    return {"event": "attempt", "host": host, "port": port, "program": None, "line": None, **fields}


def judged(*events: dict, log: str = "", rules: SealedRules = RULES) -> list[tuple]:
    findings = judge_load(sealed_load(events, log), rules, "shop.pex")
    return [(item.code, item.severity, item.key, item.where) for item in findings]


def messages(*events: dict, log: str = "", rules: SealedRules = RULES) -> list[str]:
    return [item.message for item in judge_load(sealed_load(events, log), rules, "shop.pex")]


def test_a_good_load():
    """Every key's state was opened, every component yielded something, nothing was tried."""
    assert judged(*GOOD) == []
    assert definitions_per_key(sealed_load(GOOD)) == {NORTH: 3, SOUTH: 4}


def test_components_that_are_built_twice_count_once():
    """Dagster builds them twice; the last time counts."""
    again = [enter(2, NORTH), leave(2, 5)]
    assert definitions_per_key(sealed_load([*GOOD[:-2], *again, ALL])) == {NORTH: 5, SOUTH: 4}


def test_an_attempt_belongs_to_the_component_that_is_built():
    """Between its entry and its leave, by Python or by another program; told once with how often, at its line."""
    tries = [
        attempt(line="shop/stations.py:9"),
        attempt(line="shop/stations.py:9"),
        attempt("1.2.3.4", 80, program="curl x"),
    ]
    events = [SEALS, enter(0, NORTH), *tries, leave(0), enter(1, SOUTH), leave(1), attempt("::1", 53), ALL, ENDED]
    assert judged(*events) == [
        (Code.FETCH_ATTEMPTED, Severity.ERROR, NORTH, "src/shop/defs/stations/defs.yaml:2"),
        (Code.FETCH_ATTEMPTED, Severity.ERROR, NORTH, "src/shop/defs/stations/defs.yaml:2"),
        (Code.FETCH_ATTEMPTED, Severity.ERROR, None, "shop.pex"),
    ]
    assert messages(*events) == [
        "The component of Stations[north] tried to reach api.example.com:443 2 times, in shop/stations.py:9.",
        "The component of Stations[north] tried to reach 1.2.3.4:80, by `curl x`.",
        "The load tried to reach [::1]:53.",
    ]


def test_an_attempt_that_is_allowed():
    """Keys that may fetch at run time give a warning."""
    events = [SEALS, enter(0, NORTH), attempt(), leave(0), enter(1, SOUTH), leave(1), ALL, ENDED]
    rules = SealedRules(places=PLACES, allow_runtime_fetch=["Stations[n*]"])
    assert [found[:3] for found in judged(*events, rules=rules)] == [(Code.FETCH_ATTEMPTED, Severity.WARNING, NORTH)]


def test_the_silent_empty():
    """A component that yields nothing is an error, unless it is allowed by name."""
    events = [SEALS, enter(0, NORTH), leave(0, 0), enter(1, SOUTH), leave(1), ALL, ENDED]
    place = "src/shop/defs/stations/defs.yaml:2"
    assert judged(*events) == [(Code.NO_DEFINITIONS, Severity.ERROR, NORTH, place)]
    assert judged(*events, rules=SealedRules(places=PLACES, allow_empty=[NORTH])) == []


def test_state_that_nobody_opened():
    """Whether there was a component or not."""
    events = [SEALS, enter(0, NORTH), leave(0), loaded(), ENDED]
    assert [found[0] for found in judged(*events)] == [Code.STATE_NOT_OPENED] * 2
    assert [message.partition(": ")[2] for message in messages(*events)] == [
        "its component did not open it.",
        "no component that was loaded has this key.",
    ]


def test_strategies_that_fetch_at_run_time():
    """Snapshots always, stored state whose key is not pinned; a file that pins another key does not help."""
    snapshots = enter(0, NORTH, management_type="LEGACY_CODE_SERVER_SNAPSHOTS")
    stored = enter(1, SOUTH, management_type="VERSIONED_STATE_STORAGE")
    events = [SEALS, snapshots, leave(0), stored, leave(1), ALL, ENDED]
    assert [found[:3] for found in judged(*events)] == [
        (Code.FETCHES_AT_RUN_TIME, Severity.ERROR, NORTH),
        (Code.FETCHES_AT_RUN_TIME, Severity.ERROR, SOUTH),
    ]

    def having(found: dict) -> list[dict]:
        return [event if event is not ALL else {**ALL, "pins": found} for event in events]

    assert [found[2] for found in judged(*having(pins(SOUTH, file="/pins.json")))] == [NORTH]
    assert [found[2] for found in judged(*having(pins(NORTH, file="/pins.json")))] == [NORTH, SOUTH]
    assert messages(*having(pins("x", file="/pins.json")))[1].endswith("/pins.json does not pin this key.")


@pytest.mark.parametrize(("allowed", "severity"), [([], Severity.ERROR), (["Stations*"], Severity.WARNING)])
def test_pins_that_cannot_be_read(allowed, severity):
    """A variable that names no good file is told with the file: an error where a key needs it."""
    stored = enter(1, SOUTH, management_type="VERSIONED_STATE_STORAGE")
    last = {**ALL, "pins": pins(file="/x/pins.json", problem="there is no such file")}
    events = [SEALS, enter(0, NORTH), leave(0), stored, leave(1, 0), last, ENDED]
    rules = SealedRules(places=PLACES, allow_runtime_fetch=allowed)
    found = judged(*events, rules=rules)
    assert (Code.PINS_NOT_READ, severity, None, "/x/pins.json") in found
    assert [item[0] for item in found] == [Code.FETCHES_AT_RUN_TIME, Code.PINS_NOT_READ]
    assert "there is no such file: Dagster starts without them." in messages(*events, rules=rules)[1]


def test_state_that_is_not_in_the_artifact():
    """Nobody opens the state of a key that is in a store, and its component yields nothing under seals."""
    stored = enter(1, SOUTH, management_type="VERSIONED_STATE_STORAGE")
    last = {**loaded("Stations__north__"), "pins": pins(SOUTH, file="/pins.json")}
    assert judged(SEALS, enter(0, NORTH), leave(0), stored, leave(1, 0), last, ENDED) == []


def test_a_load_that_fails():
    """The component at fault is named; keys that were not reached are not reported as well."""
    failed = {"event": "failed", "code": None, "message": "KeyError: 'x'", "where": "a.py:1", "detail": "…"}
    events = [SEALS, enter(0, NORTH), leave(0, 0, "KeyError: 'x'"), failed, loaded(), ENDED]
    assert judged(*events) == [(Code.LOAD_FAILED, Severity.ERROR, NORTH, "src/shop/defs/stations/defs.yaml:2")]
    assert messages(*events) == ["The definitions cannot be loaded without a network: KeyError: 'x'"]


def test_a_failure_that_has_a_code():
    """An error that is about state keeps its code; all others mean that the load failed."""
    failed = {"event": "failed", "code": "HOST_NOT_INSTALLED", "message": "No Dagster.", "where": "/x/python"}
    assert judged(SEALS, failed, loaded(), ENDED) == [(Code.LOAD_FAILED, Severity.ERROR, None, "/x/python")]
    failed = {**failed, "code": "MISSING_STATE"}
    assert judged(SEALS, failed, loaded(), ENDED) == [(Code.MISSING_STATE, Severity.ERROR, None, "/x/python")]


def test_a_load_that_hangs():
    """The component that had not returned is named."""
    events = [
        SEALS,
        enter(0, NORTH),
        leave(0),
        enter(1, SOUTH),
        {"event": "timed-out"},
        {**ENDED, "exit": None, "signal": 9},
    ]
    assert judged(*events) == [(Code.LOAD_TIMED_OUT, Severity.ERROR, SOUTH, "src/shop/defs/stations/defs.yaml:8")]


def test_a_process_that_just_ends():
    """Its last line is shown, the component at work is named, and a PEX without its interpreter is told apart."""
    crashed = [SEALS, {**ENDED, "exit": None, "signal": 11}]
    assert messages(*crashed, log="one\ntwo") == ["The load was ended by SIGSEGV. The last that it printed: two"]
    at_work = [SEALS, enter(0, NORTH), leave(0), enter(1, SOUTH), ENDED]
    assert judged(*at_work) == [(Code.LOAD_FAILED, Severity.ERROR, SOUTH, "src/shop/defs/stations/defs.yaml:8")]
    said = "The load ended its process with exit code 0 in the component of Stations[south]."
    assert messages(*at_work) == [said]
    exited = [SEALS, {**ENDED, "exit": 102}]
    log = "Failed to find compatible interpreter on path /usr/bin."
    assert [found[0] for found in judged(*exited, log=log)] == [Code.WRONG_INTERPRETER]


def test_without_a_seal_of_the_system():
    """That is a warning: only the audit hook stood in between."""
    none = {**SEALS, "by": [], "missing": ["no namespaces"]}
    assert [found[:2] for found in judged(none, *GOOD[1:])] == [(Code.NOT_SEALED, Severity.WARNING)]
    assert SealedLoad().seals == ()


def test_what_else_is_said_is_passed_over():
    """Events of a later version, or lines that user code made up, do no harm."""
    assert judged({"event": "new"}, {}, {"event": "leave", "definitions": 1, "error": None}, *GOOD) == []


@pytest.mark.parametrize(
    "event",
    [
        {"event": "attempt"},
        {"event": ["attempt"]},
        {"event": "attempt", "host": "x", "port": "1", "program": None},
        {"event": "attempt", "host": "x", "port": 1, "program": 7},
        {"event": "seals"},
        {"event": "seals", "by": "all", "missing": []},
        {"event": "enter", "key": None},
        {"event": "leave", "definitions": "many", "error": None},
        {"event": "leave", "definitions": -1, "error": None},
        {"event": "leave", "definitions": 10**400, "error": None},
        {"event": "failed"},
        {"event": "loaded", "opened": [], "seconds": 1, "pins": None},
        {"event": "loaded", "opened": [[]], "seconds": 1, "pins": pins()},
        {"event": "loaded", "opened": [], "seconds": float("nan"), "pins": pins()},
        {"event": "loaded", "opened": [], "seconds": 10**400, "pins": pins()},
        {"event": "ended"} | {"exit": "0", "signal": None},
        {"event": "not-started"},
    ],
    ids=str,
)
def test_what_has_a_wrong_shape_fails_the_load(event):
    """Whatever an artifact prints, the tool goes on, and the load is a failed one."""
    assert judged(*GOOD, event) == [(Code.LOAD_FAILED, Severity.ERROR, None, "shop.pex")]
    assert "what it told of its load cannot be read" in messages(event, *GOOD)[0]


def test_lines_that_are_no_events():
    """Deep, broken and unprintable JSON after the mark is no bug of the tool's."""
    listener = Listener()
    for text in ("[" * 100_000, "{", "7", '{"event": "not-started", "program": "\\ud800", "reason": "x"}'):
        listener.line(listener.mark + text)
    load = listener.result()
    assert load.unreadable
    assert load.failure is not None
    assert load.failure["message"] == "? cannot be started: x"


def test_what_may_be_null_may_be_left_out():
    """No field of an event is asked for that its shape does not require."""
    events = [{"event": "attempt", "host": "x"}, {"event": "enter", **LONE}, {"event": "leave", "definitions": 1}]
    ends = [{"event": "loaded", "opened": [], "seconds": 1, "pins": {"keys": []}}, {"event": "ended"}]
    load = sealed_load([*events, *ends, {"event": "not-started", "program": "x"}, {"event": "failed", "message": "no"}])
    assert (load.attempts[0].port, load.components[0].error, load.pins.file) == (None, None, None)
    assert load.failure == {"code": None, "message": "no", "where": None, "detail": None}
