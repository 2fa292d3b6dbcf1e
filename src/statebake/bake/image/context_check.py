"""Whether the build context has all that the image must contain, and the lines that mend its ignore file; no I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from statebake.bake.image.ignore_pattern import literal
from statebake.bake.image.ignore_rules import Rule, Rules
from statebake.errors import Code, StatebakeError
from statebake.model.keys import STAGING_NAME

_SHOWN = 5
_MOST_PARTS = 3  # of one source, that get a line each
# Files that hold secrets, and the patterns that keep them out again where a line brings a directory of code back.
_SECRETS = ((".env", ".env"), (".env.local", ".env.*"))


@dataclass(frozen=True)
class Required:
    """What the build context must contain; all paths are relative to it and ``/``-separated.

    Attributes:
        state: the state directory.
        keys: the files of every key's state, by key.
        shared: the files of the state directory that belong to no key, as its ``.gitignore``.
        sources: the files of what else the image is made of, by the path that is copied: code and inputs.
    """

    state: str
    keys: Mapping[str, Sequence[str]]
    shared: Sequence[str] = ()
    sources: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def state_files(self) -> Iterator[str]:
        """Yield every file of the state."""
        yield from self.shared
        for files in self.keys.values():
            yield from files


@dataclass(frozen=True)
class Loss:
    """What one rule keeps out: keys and sources that lose at least one file, and the state directory's own files."""

    rule: Rule
    keys: tuple[str, ...]
    shared: tuple[str, ...]
    sources: tuple[str, ...]

    def __str__(self) -> str:
        parts = [
            _count(self.keys, "the state of {} key", "the state of {} keys"),
            _count(self.shared, "{} file of the state directory", "{} files of the state directory"),
            _count(self.sources, "{} source", "{} sources"),
        ]
        names = [*self.keys, *self.shared, *self.sources]
        more = f", and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        what = " and ".join(part for part in parts if part)
        return f"{what} out of the build context: {', '.join(names[:_SHOWN])}{more}"


def must_contain(rules: Rules, required: Required, name: str = ".dockerignore") -> None:
    """See that ``rules`` keep nothing out that is required; ``name`` is what messages call their file.

    Raises ``StatebakeError`` (``NOT_IN_CONTEXT``) that names every rule to blame and the lines that mend them all.
    """
    losses = find_losses(rules, required)
    if not losses:
        return
    blamed = [f"`{name}:{loss.rule.line}` (`{loss.rule.text}`) keeps {loss}" for loss in losses]
    lines = find_mending_lines(rules, required)
    if not lines:
        advice = f"take {'this rule' if len(losses) == 1 else 'these rules'} out of {name}, or narrow what is matched"
    elif len(lines) == 1:
        advice = f"add this line at the end of {name}: {lines[0]}"
    else:
        advice = "\n".join([f"add these lines at the end of {name}:", *lines])
    several = f"{len(losses)} rules of `{name}` keep what the image must contain out of the build context."
    raise StatebakeError(
        Code.NOT_IN_CONTEXT,
        f"{blamed[0]}." if len(losses) == 1 else several,
        where=f"{name}:{losses[0].rule.line}",
        detail=None if len(losses) == 1 else "\n".join(blamed),
        next_step=advice,
    )


def find_losses(rules: Rules, required: Required) -> tuple[Loss, ...]:
    """Return what is lost by every rule to blame, in the order of their lines."""
    found: dict[int, tuple[dict[str, None], dict[str, None], dict[str, None]]] = {}
    blamed: dict[int, Rule] = {}

    def look(place: int, name: str, files: Sequence[str]) -> None:
        for rule in _blamed(rules, files):
            blamed[rule.line] = rule
            found.setdefault(rule.line, ({}, {}, {}))[place][name] = None

    for key, files in required.keys.items():
        look(0, key, files)
    for file in required.shared:
        look(1, file, [file])
    for source, files in required.sources.items():
        look(2, source, files)
    return tuple(Loss(blamed[line], *(tuple(names) for names in found[line])) for line in sorted(found))


def find_mending_lines(rules: Rules, required: Required) -> tuple[str, ...]:
    """Return the lines that, at the end of the file, bring back what is lost, or none if no lines do.

    They are few, and proved: with them nothing is lost, and what a refresh has staged stays out if it was out.
    """
    lines = _source_lines(rules, required)
    mended = rules.followed_by(lines)
    directory = literal(required.state)
    if _lost(mended, required.state_files()):
        lines += _first_that_mends(mended, f"!{directory}", f"!{directory}/**", list(required.state_files()))
        mended = rules.followed_by(lines)
    if any(rules.decide(path).excluded and not mended.decide(path).excluded for path in _staged(required)):
        lines.append(f"{directory}/{STAGING_NAME}")
    return () if find_losses(rules.followed_by(lines), required) else tuple(lines)


def _source_lines(rules: Rules, required: Required) -> list[str]:
    lines: list[str] = []
    mended = rules
    for source, files in required.sources.items():
        decisions = ((file, mended.decide(file)) for file in files)
        lost = [(file, decision.rule) for file, decision in decisions if decision.excluded and decision.rule]
        parts = {_matched_part(rule, source, file): None for file, rule in lost}
        for part in parts if len(parts) <= _MOST_PARTS else [source]:
            below = [file for file in files if file == part or file.startswith(f"{part}/")]
            if not _lost(mended, below):
                continue
            pattern = literal(part)
            lines += _first_that_mends(mended, f"!{pattern}", f"!{pattern}/**", below)
            if below != [part]:
                lines += _secrets_stay_out(rules, lines, part, below)
            mended = rules.followed_by(lines)
    return lines


def _secrets_stay_out(rules: Rules, lines: Sequence[str], directory: str, files: Sequence[str]) -> list[str]:
    """Return the lines that keep out the secrets that were out before ``lines`` brought ``directory`` back."""
    added: list[str] = []
    for sample, pattern in _SECRETS:
        probe = f"{directory}/{sample}"
        now = rules.followed_by([*lines, *added])
        if rules.decide(probe).excluded and not now.decide(probe).excluded:
            guard = f"{literal(directory)}/**/{pattern}"
            if not _lost(now.followed_by([guard]), files):
                added.append(guard)
    return added


def _matched_part(rule: Rule, source: str, file: str) -> str:
    """Return the shortest part of ``file`` that ``rule`` matches, but never more than the ``source`` that it is of."""
    parts = [file[:end] for end, sign in enumerate(file) if sign == "/"]
    matched = next((part for part in parts if rule.compiled.matches(part)), file)
    return source if source.startswith(f"{matched}/") else matched


def _staged(required: Required) -> Iterator[str]:
    """Yield what a refresh may have staged: the same files one level deeper, and a file of its own."""
    staging = f"{required.state}/{STAGING_NAME}"
    yield f"{staging}/lock"
    for files in required.keys.values():
        yield from (f"{staging}/id/{file.removeprefix(required.state).lstrip('/')}" for file in files)


def _first_that_mends(rules: Rules, short: str, long: str, files: Sequence[str]) -> list[str]:
    """Return the lines of the directory itself, of all that is in it, or both: the first that brings ``files`` back."""
    candidates = ([short], [long], [short, long])
    return next((lines for lines in candidates if not _lost(rules.followed_by(lines), files)), [])


def _lost(rules: Rules, files: Sequence[str] | Iterator[str]) -> bool:
    return any(rules.decide(file).excluded for file in files)


def _blamed(rules: Rules, files: Sequence[str]) -> list[Rule]:
    decisions = (rules.decide(file) for file in files)
    return list({d.rule.line: d.rule for d in decisions if d.excluded and d.rule}.values())


def _count(names: Sequence[str], one: str, many: str) -> str:
    return (one if len(names) == 1 else many).format(len(names)) if names else ""
