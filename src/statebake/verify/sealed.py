"""Judging a sealed load; no I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from statebake.errors import Code, Exit
from statebake.hosts.sealing import FetchAttempt, LoadedComponent, SealedLoad
from statebake.model.finding import Finding, Severity
from statebake.model.keys import sanitize_key
from statebake.model.patterns import matches
from statebake.process import signal_name
from statebake.verify.strategies import PINS, runtime_finding

# What a PEX prints, and env(1) where its first line names what is not there.
_NO_PEX_PYTHON = ("Failed to find compatible interpreter", "No interpreter compatible", "/usr/bin/env: ")


@dataclass(frozen=True)
class SealedRules:
    """What is expected of a load.

    Attributes:
        places: where the components of each expected key are declared, ``file:line`` in the project.
        allow_empty: patterns of the keys whose components may yield nothing.
        allow_runtime_fetch: patterns of the keys that may fetch at run time.
        within_s: how long the load was allowed to take.
    """

    places: Mapping[str, Sequence[str]]
    allow_empty: Sequence[str] = ()
    allow_runtime_fetch: Sequence[str] = ()
    within_s: float = 300.0


def judge_load(load: SealedLoad, rules: SealedRules, where: str) -> tuple[Finding, ...]:
    """Return what is wrong with how the artifact ``where`` was loaded, errors first."""
    findings = [
        *_not_sealed(load, where),
        *_failed(load, rules, where),
        *_attempts(load, rules, where),
        *_components(load, rules),
        *_pins(load, rules),
    ]
    if load.failure is None and load.seconds is not None:
        findings += _unopened(load, rules, where)
    return tuple(sorted(findings, key=lambda item: item.severity is Severity.WARNING))


def definitions_per_key(load: SealedLoad) -> dict[str, int]:
    """Return how many definitions the components of each key yielded together, of those that were built."""
    found: dict[str, int] = {}
    for component in distinct(load.components):
        if component.definitions is not None:
            found[component.key] = found.get(component.key, 0) + component.definitions
    return found


def distinct(components: Sequence[LoadedComponent]) -> tuple[LoadedComponent, ...]:
    """Return each component once: a framework may build one several times, of which the last counts."""
    return tuple({(item.key, item.declared_at): item for item in components}.values())


def _not_sealed(load: SealedLoad, where: str) -> Iterator[Finding]:
    if not load.seals:
        yield Finding(
            Code.NOT_SEALED,
            Severity.WARNING,
            None,
            "Only Python's own audit hook stood between the load and the network: compiled extensions and other "
            "programs were free.",
            where,
            "run it where Linux allows namespaces or seccomp, or verify an image",
        )


def _failed(load: SealedLoad, rules: SealedRules, where: str) -> Iterator[Finding]:
    at_work = next((item for item in load.components if item.definitions is None), None)
    if load.timed_out:
        of = f"; the component of {at_work.key} had not returned" if at_work else ""
        yield _error(
            Code.LOAD_TIMED_OUT,
            f"The load did not end within {rules.within_s:g} s{of}.",
            _place(at_work, rules) if at_work else where,
            f"give it more time, or find what it waits for: --sealed-timeout {rules.within_s * 2:g}s",
            at_work.key if at_work else None,
        )
    elif _is_for_another(load):
        yield _error(
            Code.WRONG_INTERPRETER,
            "This PEX is made for another interpreter than those of this machine.",
            where,
            "run it where that is installed, or name one: --python",
        )
    elif load.failure:
        broken = next((item for item in load.components if item.error), None)
        own = Code.__members__.get(load.failure["code"] or "")
        yield _error(
            own if own is not None and own.exit is Exit.STATE else Code.LOAD_FAILED,
            f"The definitions cannot be loaded without a network: {load.failure['message']}",
            _place(broken, rules) if broken else load.failure["where"] or where,
            "mend what it says; if it lacks a variable, name it in sealed.env",
            broken.key if broken else None,
        )
    elif load.unreadable:
        yield _error(
            Code.LOAD_FAILED,
            "The load failed: what it told of its load cannot be read.",
            where,
            "find what in it prints the events of a sealed load, and take that out",
        )
    elif load.seconds is None:
        last = f" The last that it printed: {load.log.splitlines()[-1]}" if load.log else ""
        of = f" in the component of {at_work.key}" if at_work else ""
        yield _error(
            Code.LOAD_FAILED,
            f"The load {_how(load)}{of}.{last}",
            _place(at_work, rules) if at_work else where,
            "run it yourself to see the reason",
            at_work.key if at_work else None,
        )


def _is_for_another(load: SealedLoad) -> bool:
    """Return whether it is a PEX whose interpreter this machine has not: the first line names it, or it says so."""
    if load.failure:
        return load.failure["code"] == Code.WRONG_INTERPRETER.name
    return load.seconds is None and not load.unreadable and any(words in load.log for words in _NO_PEX_PYTHON)


def _how(load: SealedLoad) -> str:
    status, number = load.ended or (None, None)
    if number is None and status is not None and status > 128:  # as shells and container engines tell it
        number = status - 128
    if number is not None:
        return f"was ended by {signal_name(number)}"
    return f"ended its process with exit code {status}" if status is not None else "did not begin"


def _attempts(load: SealedLoad, rules: SealedRules, where: str) -> Iterator[Finding]:
    merged: dict[tuple[str | None, str, str], tuple[FetchAttempt, LoadedComponent | None, int]] = {}
    for attempt in load.attempts:
        component = None if attempt.component is None else load.components[attempt.component]
        name = (component.declared_at if component else None, _target(attempt), attempt.program or "")
        before = merged[name][2] if name in merged else 0
        merged[name] = (attempt, component, before + attempt.times)
    for attempt, component, times in merged.values():
        who = f"The component of {component.key}" if component else "The load"
        by = f", by `{attempt.program}`" if attempt.program else f", in {attempt.line}" if attempt.line else ""
        often = f" {times} times" if times > 1 else ""
        allowed = component is not None and _any(rules.allow_runtime_fetch, component.key)
        yield Finding(
            Code.FETCH_ATTEMPTED,
            Severity.WARNING if allowed else Severity.ERROR,
            component.key if component else None,
            f"{who} tried to reach {_target(attempt)}{often}{by}.",
            _place(component, rules) if component else where,
            "have it read its state only, and fetch in write_state_to_path",
        )


def _target(attempt: FetchAttempt) -> str:
    host = f"[{attempt.host}]" if ":" in attempt.host and not attempt.host.startswith("unix:") else attempt.host
    return host if attempt.port is None else f"{host}:{attempt.port}"


def _components(load: SealedLoad, rules: SealedRules) -> Iterator[Finding]:
    for component in distinct(load.components):
        pinned = component.is_stored and component.key in load.pins.keys
        if not (component.is_local or pinned):
            yield runtime_finding(
                component.key,
                component.management_type,
                _no_pin(load),
                where=_place(component, rules),
                permitted=_any(rules.allow_runtime_fetch, component.key),
            )
        yields = component.definitions != 0 or component.error or component.is_stored
        if not yields and not _any(rules.allow_empty, component.key):
            yield _error(
                Code.NO_DEFINITIONS,
                f"The component of {component.key} yields nothing: it is deployed, and does nothing.",
                _place(component, rules),
                "refresh its state and bake again, or allow it by name in sealed.allow_empty",
                component.key,
            )


def _no_pin(load: SealedLoad) -> str:
    """Return why a key is not pinned, the rest of a sentence."""
    if load.pins.file is None:
        return f"the newest state in it, for {PINS} is not set"
    return f"the newest state in it, for {load.pins.file} does not pin this key"


def _pins(load: SealedLoad, rules: SealedRules) -> Iterator[Finding]:
    """Yield what is wrong with the file with pins: an error where a key that may not fetch at run time needs it."""
    if load.pins.problem is None:
        return
    stored = [component.key for component in load.components if component.is_stored]
    needed = [key for key in stored if not _any(rules.allow_runtime_fetch, key)]
    yield Finding(
        Code.PINS_NOT_READ,
        Severity.ERROR if needed else Severity.WARNING,
        None,
        f"{PINS} names a file with versions of stored state, and {load.pins.problem}: Dagster starts without them.",
        load.pins.file,
        f"put that file into the artifact, or take {PINS} out of its environment",
    )


def _unopened(load: SealedLoad, rules: SealedRules, where: str) -> Iterator[Finding]:
    loaded = {component.key for component in load.components}
    local = {component.key for component in load.components if component.is_local}
    for key, places in sorted(rules.places.items()):
        if sanitize_key(key) in load.opened or key in loaded - local:
            continue
        why, mend = "no component that was loaded has this key", "have its defs.yaml and its code in there"
        if key in loaded:
            why, mend = "its component did not open it", "have it read its state where it builds its definitions"
        yield _error(
            Code.STATE_NOT_OPENED,
            f"The state of {key} was not opened: {why}.",
            places[0] if places else where,
            mend,
            key,
        )


def _place(component: LoadedComponent, rules: SealedRules) -> str:
    """Return where a component is declared in the project: inside of an artifact the path begins elsewhere."""
    known = rules.places.get(component.key, ())
    parts = component.declared_at.split("/")
    for skipped in range(len(parts)):
        tail = "/".join(parts[skipped:])
        for place in known:
            if place == tail or place.endswith(f"/{tail}"):
                return place
    return component.declared_at


def _any(patterns: Sequence[str], key: str) -> bool:
    return any(matches(pattern, key) for pattern in patterns)


def _error(code: Code, message: str, where: str | None, next_step: str, key: str | None = None) -> Finding:
    return Finding(code, Severity.ERROR, key, message, where, next_step)
