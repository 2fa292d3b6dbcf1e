"""Loading a work tree or an artifact under seals: which interpreter, which directories, which variables."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from statebake.check import definition_findings
from statebake.check.policy import KeyFacts
from statebake.config import Settings, source_roots
from statebake.engine import Engine, ImageFacts
from statebake.errors import Code, StatebakeError
from statebake.hosts.sealing import Listener, LoadRequest, SealedLoad, load_command, run_sealed, seal_command
from statebake.model.finding import Finding
from statebake.pipeline import Target
from statebake.process import project_env
from statebake.verify.files import Budget
from statebake.verify.sealed import SealedRules, definitions_per_key, judge_load

# What a load needs of this machine's environment; everything else may be a credential, or lead to one.
_ALLOWED = ("LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "PATH", "TZ")
_LONGEST_LINE = 1 << 20
_IMAGE_PYTHON = "python3"
_PYTHON = re.compile(r"python\d*(\.\d+)?")
_ON_PATH = ("/bin", "/usr/bin", "/usr/local/bin")  # an interpreter there is beside every program
_NOBODY = "65534:65534"
_IMAGE_SEALS = (
    "no network (container engine)",
    "read-only files",
    "no privileges",
)


@dataclass(frozen=True)
class StatePlace:
    """Where an artifact has its state, and for which framework.

    Attributes:
        host: the framework's name.
        state_dir: the state directory's path inside of an image; in a PEX, its path as it is imported:
            ``shop/defs/.local_defs_state``.
    """

    host: str
    state_dir: str


def load_tree(target: Target, env: Mapping[str, str]) -> SealedLoad:
    """Load a project's definitions in its own interpreter, from the state in the work tree."""
    project, settings = target.project, target.settings
    directory = os.path.realpath(project.directory)
    request = LoadRequest(
        host=settings.host or project.host,
        project=directory,
        paths=tuple(str(path) for path in source_roots(project.directory)),
        defs_module=settings.defs_module,
        target=project.dg.code_location_target_module if project.dg else None,
    )
    with _scratch() as scratch:
        return _run(
            [target.python, "-s"], request, project_env(_allowed(env), target.python), scratch, settings, env=env
        )


def load_pex(
    path: Path, place: StatePlace, settings: Settings, env: Mapping[str, str], *, python: str | None = None
) -> SealedLoad:
    """Load the definitions in a PEX, whatever its layout, with the interpreter that it asks for, or ``python``."""
    program = str(path.resolve())
    runs = python is None and path.is_file() and os.access(path, os.X_OK)
    request = LoadRequest(host=place.host, project=program, state_dir=place.state_dir)
    with _scratch() as scratch:
        variables = {
            "PEX_INTERPRETER": "1",
            "PEX_ROOT": str(scratch / "pex_root"),
            "PEX_INHERIT_PATH": "false",
            "PEX_IGNORE_RCFILES": "true",
        }
        command = [program] if runs else [python or "python3", program]
        load = _run(command, request, {**_allowed(env), **variables}, scratch, settings, env=env)
    if runs and load.absent and load.failure:  # the interpreter that its first line names
        return replace(load, failure={**load.failure, "code": Code.WRONG_INTERPRETER.name})
    return load


def load_wheel(path: Path, place: StatePlace, settings: Settings, env: Mapping[str, str], *, python: str) -> SealedLoad:
    """Load the definitions in a wheel, which reading has found safe, with an interpreter that has its dependencies.

    Raises ``StatebakeError`` (``NOT_AN_ARTIFACT``) where it unpacks to far more than it has.
    """
    with _scratch() as scratch, _scratch() as outside:  # which the load can write to, and which it cannot
        unpacked = outside / secrets.token_hex(16)
        with zipfile.ZipFile(path) as archive:
            budget = Budget("a wheel", str(path), path.stat().st_size)
            for info in archive.infolist():
                budget.take(info.file_size)
            archive.extractall(unpacked)
        outside.chmod(0o711)  # the load is another user's, who is told the name, which no other can find out
        return _load_packages(unpacked, python, place, scratch, settings, env=env)


def load_environment(
    path: Path, place: StatePlace, settings: Settings, env: Mapping[str, str], *, python: str | None = None
) -> SealedLoad:
    """Load the definitions in a virtual environment with its interpreter, or in packages with ``python``.

    Raises ``StatebakeError`` (``NO_INTERPRETER``) where neither is known.
    """
    whole = (path, *path.resolve().parents)
    venv = next((parent for parent in whole if (parent / "pyvenv.cfg").is_file()), None)
    if python is None and venv is None:
        raise StatebakeError(
            Code.NO_INTERPRETER,
            "These packages are in no virtual environment, so it is not known which interpreter they are for.",
            where=str(path),
            next_step="name it: --python PATH",
        )
    with _scratch() as scratch:
        packages = None if venv == path else path.resolve()
        return _load_packages(packages, python or f"{venv}/bin/python", place, scratch, settings, env=env)


def _load_packages(
    packages: Path | None, python: str, place: StatePlace, scratch: Path, settings: Settings, *, env: Mapping[str, str]
) -> SealedLoad:
    """Load what is in ``packages``, which comes first, or what ``python`` finds by itself."""
    paths = (str(packages),) if packages else ()
    interpreter = str(Path(python).absolute()) if os.sep in python else python
    request = LoadRequest(place.host, str(packages or python), paths=paths, state_dir=place.state_dir)
    return _run([interpreter, "-s"], request, project_env(_allowed(env), interpreter), scratch, settings, env=env)


def _run(
    python: Sequence[str],
    request: LoadRequest,
    variables: Mapping[str, str],
    scratch: Path,
    settings: Settings,
    *,
    env: Mapping[str, str],
) -> SealedLoad:
    """Have an interpreter of this machine do the load, with ``variables`` and those that the settings let through."""
    places = {name: str(scratch) for name in ("HOME", "TMPDIR")}
    listener = Listener()
    run_sealed(
        load_command(python, request),
        listener,
        env={**variables, **places, **_given(settings, env)},
        cwd=str(scratch),
        scratch=scratch,
        within_s=settings.sealed.timeout,
    )
    return listener.result()


def load_image(
    engine: Engine,
    image: ImageFacts,
    place: StatePlace,
    settings: Settings,
    env: Mapping[str, str],
    *,
    python: str | None = None,
) -> SealedLoad:
    """Load the definitions in an image with its own interpreter: ``python``, or the one that its command starts.

    Raises ``StatebakeError``: ``WRONG_PLATFORM`` for an image that is for another processor, ``NOT_SEALED``.
    """
    here = engine.facts.platform
    if not engine.runs(image.platform):
        raise StatebakeError(
            Code.WRONG_PLATFORM,
            f"The image is for {image.platform}, and this engine runs {here}.",
            where=image.reference,
            next_step="verify it where it can run, or without loading it: leave --sealed out",
        )
    listener = Listener()
    project = str(Path(place.state_dir).parent.parent)
    request = LoadRequest(host=place.host, project=project, state_dir=place.state_dir)
    command = seal_command(
        [python or _python_of(engine, image)],
        load_command(["{python}"], request),
        mark=listener.mark,
        within_s=settings.sealed.timeout,
        outside=_IMAGE_SEALS,
    )
    user = image.user if image.user.partition(":")[0] not in {"", "0", "root"} else _NOBODY
    with engine.sealed(image.id, command, user=user, variables=_given(settings, env)) as chunks:
        for line in _lines(chunks):
            listener.line(line)
    return listener.result()


def _python_of(engine: Engine, image: ImageFacts) -> str:
    """Return the interpreter that an image's command starts, or that is beside the script that it starts."""
    for word in " ".join(image.command).split():
        path = PurePosixPath(word)
        if path.is_absolute() and _PYTHON.fullmatch(path.name):
            return word
        if path.parent.name == "bin" and path.is_absolute() and str(path.parent) not in _ON_PATH:
            beside = str(path.parent / "python")
            with engine.files(image.id, beside) as stream:
                if stream is not None:
                    return beside
    return _IMAGE_PYTHON


def sealed_findings(
    load: SealedLoad, places: Mapping[str, Sequence[str]], facts: Sequence[KeyFacts], settings: Settings, where: str
) -> list[Finding]:
    """Return what is wrong with a sealed load, and where it made fewer definitions than the policy asks for."""
    rules = SealedRules(
        places=places,
        allow_empty=settings.sealed.allow_empty,
        allow_runtime_fetch=settings.allow_runtime_fetch,
        within_s=settings.sealed.timeout,
    )
    found = list(judge_load(load, rules, where))
    if load.failure is None and load.seconds is not None:
        found += definition_findings(definitions_per_key(load), facts, settings, where=where)
    return found


def _lines(chunks: Iterator[bytes]) -> Iterator[str]:
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > _LONGEST_LINE:
            lines, rest = [*lines, rest], b""
        for line in lines:
            yield line.decode("utf-8", "replace").rstrip("\r")
    if rest:
        yield rest.decode("utf-8", "replace")


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="statebake-sealed-", ignore_cleanup_errors=True) as path:
        yield Path(os.path.realpath(path))


def _allowed(env: Mapping[str, str]) -> dict[str, str]:
    return {name: env[name] for name in _ALLOWED if name in env}


def _given(settings: Settings, env: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that the settings let through, or give a value themselves (``NAME=value``)."""
    given = dict(item.partition("=")[::2] for item in settings.sealed.env if "=" in item)
    return {name: env[name] for name in settings.sealed.env if name in env} | given
