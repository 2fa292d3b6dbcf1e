"""What a worker says of exceptions: in words, where in the project they come from, whether trying again can help."""

from __future__ import annotations

import errno
import os
import re
import traceback
from collections.abc import Iterator, Mapping
from typing import Any

_LONGEST_PAUSE_S = 1e9
_LONGEST = 100_000  # characters of an exception's message
_SHOWN_MEMBERS = 3
# RFC 9110 section 15.5, RFC 8470, RFC 6585: the client errors that a later attempt may not get.
_PASSING_4XX = frozenset({408, 409, 423, 425, 429})
# Neither a bug nor the local file system gets better by waiting.
_PERMANENT = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    FileNotFoundError,
    FileExistsError,
    ImportError,
    IsADirectoryError,
    NameError,
    NotADirectoryError,
    NotImplementedError,
    PermissionError,
    RecursionError,
    SyntaxError,
    SystemExit,
    TypeError,
)
# As dbt begins what it says of a project: `type` of CompilationError, ParsingError and ValidationError in dbt_common
# and dbt; by dagster-dbt after "Errors parsed from dbt logs". Its "Runtime Error" may be a network that is away.
_DBT = frozenset({"dagster_dbt", "dbt", "dbt_common"})
_BROKEN_DBT_PROJECT = re.compile(r"^\s*(?:Compilation|Parsing|Validation) Error\b", re.MULTILINE)


class HostError(Exception):
    """An error of discovery that has a code of its own: the fields are those of the ``failed`` message."""

    def __init__(self, code: str, message: str, **fields: str | None) -> None:
        super().__init__(message)
        self.fields = {"code": code, "message": message, **fields}


def failure(error: BaseException, project: str) -> dict[str, Any]:
    """Return what a fetch reports of an exception, see ``server``."""
    try:
        status, headers = http_answer(error)
    except BaseException:  # its own attributes fail, or are something else than their names say
        status, headers = None, {}
    pause = retry_after(headers)
    return {
        "type": error.__class__.__name__,
        "message": writable(describe(error)),
        "traceback": writable(short_traceback(error, project)),
        "permanent": is_permanent(error, status, pause),
        "retry_after": pause,
    }


def is_permanent(error: BaseException, status: int | None, pause: float | None = None) -> bool:
    """Return whether the same fetch would fail in the same way again; ``pause``: what its ``Retry-After`` asks for."""
    if isinstance(error, (ConnectionError, TimeoutError)):  # whatever an earlier attempt of its own was answered
        return False
    if status == 403 and pause:  # as GitHub answers where there were too many requests
        return False
    if status is not None:
        return 400 <= status < 500 and status not in _PASSING_4XX
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EROFS}:
        return True
    return isinstance(error, _PERMANENT) or is_ours(error) or is_unset_variable(error) or is_broken_dbt(error)


def is_broken_dbt(error: BaseException) -> bool:
    """Return whether an exception says that dbt cannot parse or compile a project."""
    if error.__class__.__module__.partition(".")[0] not in _DBT:
        return False
    try:
        return bool(_BROKEN_DBT_PROJECT.search(str(error)))
    except Exception:  # its own ``__str__`` fails
        return False


def is_unset_variable(error: BaseException) -> bool:
    """Return whether an exception is that of ``os.environ["NAME"]`` where there is no such variable."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return isinstance(error, KeyError) and bool(frames) and frames[-1].f_code is type(os.environ).__getitem__.__code__


def is_ours(error: BaseException) -> bool:
    """Return whether an exception is statebake's own: a variable that is not set, an attribute that does not fit."""
    return error.__class__.__name__ == "StatebakeError" and isinstance(getattr(error, "message", None), str)


def http_answer(error: BaseException) -> tuple[int | None, Mapping[str, str]]:
    """Return the status and the headers of the HTTP response that an exception, or one that caused it, carries.

    Knows requests, httpx and pyairbyte (``response.status_code``), aiohttp (``status``), urllib (``code``), botocore (a
    dictionary), googleapiclient (``resp``: the headers, with a ``status``).
    """
    for cause in causes(error):
        response = next((it for name in ("response", "resp") if (it := getattr(cause, name, None)) is not None), None)
        holder = cause if response is None else response
        if isinstance(response, Mapping) and not is_status(getattr(response, "status", None)):
            meta = response.get("ResponseMetadata", {})
            found, headers = meta.get("HTTPStatusCode"), meta.get("HTTPHeaders")
        else:
            places = [(place, name) for place in (response, cause) for name in ("status_code", "status", "code")]
            found = next((value for place, name in places if is_status(value := getattr(place, name, None))), None)
            headers = response if isinstance(response, Mapping) else getattr(holder, "headers", None)
        if is_status(found):
            return found, {str(name).lower(): str(value) for name, value in dict(headers or {}).items()}
    return None, {}


def is_status(value: Any) -> bool:
    """Return whether a value is an HTTP status code."""
    return isinstance(value, int) and not isinstance(value, bool) and 100 <= value < 600


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that ``Retry-After`` asks for (RFC 9110 section 10.2.3: seconds or a date).

    Some servers send a fraction of a second with them.
    """
    import email.utils
    import time

    text = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        return min(float(text[:12]), _LONGEST_PAUSE_S)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and those that led to it, the members of groups included."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        current = waiting.pop(0)
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        waiting += members(current)
        waiting.append(current.__cause__ or (None if current.__suppress_context__ else current.__context__))


def members(error: BaseException) -> list[BaseException]:
    """Return the exceptions of a group (PEP 654, or its backport); none of any other exception."""
    found = getattr(error, "exceptions", None)
    return [one for one in found if isinstance(one, BaseException)] if isinstance(found, (tuple, list)) else []


def describe(error: BaseException) -> str:
    """Return ``ValueError: what it says``, on one line; of a group also what its first members say."""
    if is_ours(error):
        return str(getattr(error, "message", ""))
    try:
        text = " ".join(str(error).split())
        text = ": ".join(filter(None, [text, "; ".join(map(describe, members(error)[:_SHOWN_MEMBERS]))]))
    except Exception:  # its own ``__str__`` fails
        text = ""
    if is_unset_variable(error):
        text += ", a variable that is not set"
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST // 2]} … {text[-_LONGEST // 2 :]}"  # programs say the cause last
    return f"{error.__class__.__name__}: {text}" if text else error.__class__.__name__


def writable(text: str) -> str:
    """Return a text that every file can hold: halves of characters, which JSON can have, are escaped."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def short_traceback(error: BaseException, project: str) -> str:
    """Return the frames of an exception that are the project's own, or its last ones, and the message."""
    frames = traceback.extract_tb(error.__traceback__ if not isinstance(error, SyntaxError) else None)
    own = [frame for frame in frames if is_own(frame.filename, project)]
    lines = traceback.format_list((own or frames)[-4:])
    lines += traceback.format_exception_only(error.__class__, error)
    return "".join(lines).rstrip()[-2 * _LONGEST :]


def is_own(file: str, project: str) -> bool:
    """Return whether a source file is the project's own code, and not what is installed below it."""
    return file.startswith(project + os.sep) and f"{os.sep}site-packages{os.sep}" not in file


def user_line(error: BaseException, project: str) -> str | None:
    """Return ``file:line`` of the innermost frame inside the project, or ``None``."""
    found = None
    for frame, line in traceback.walk_tb(error.__traceback__):
        name = frame.f_code.co_filename
        if is_own(name, project):
            found = f"{os.path.relpath(name, project)}:{line}"
    if isinstance(error, SyntaxError) and error.filename and error.filename.startswith(project + os.sep):
        found = f"{os.path.relpath(error.filename, project)}:{error.lineno}"
    return found
