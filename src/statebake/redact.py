"""Taking secrets out of what is printed."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from urllib.parse import quote, quote_plus

from statebake.model.keys import sanitize_key

MASK = "****"
_SECRET_NAME = re.compile(
    r"TOKEN|JWT|BEARER|WEBHOOK|CONNECTION_STRING|PASSWORD|PASSWD|PASSPHRASE|SECRET|CREDENTIAL|API_?KEY|ACCESS_?KEY|_KEY$"
    r"|(?:^|_|PG)PASS$|_PWD$|_PAT$|_SAS$|_DSN$",
    re.IGNORECASE,
)
# Whatever AWS clients read, but not their settings, whose values everybody may see.
_AWS_NAME = re.compile(
    r"^AWS_(?!DEFAULT_|PROFILE|CONFIG_|REGION|ROLE_|ACCOUNT|ENDPOINT|EXECUTION_|LAMBDA_|SDK_|STS_|S3_|EC2_|USE_|CA_|CSM_"
    r"|MAX_ATTEMPTS|RETRY_|PAGER|CLI_|PAGINAT|METADATA_|NODEJS_|XRAY_|IGNORE_|DATA_PATH|DEFAULTS_|LOG_|NO_|ENABLE_"
    r"|DISABLE_|REQUEST_|RESPONSE_|SIGV4A?_|APPRUNNER_|EMF_|BATCH_|VPC_|STACK_|ENV)",
    re.IGNORECASE,
)
# Names that would match, and whose values everybody may see: the address of a service, what is public by its nature,
# what something is sorted by.
_PLAIN_NAME = re.compile(
    r"^AWS_ENDPOINT_|PUBLIC_?KEY|PUBLISHABLE|^TOKENIZERS_|SECRETS?_(?:NAME|ARN|PATH|BACKEND|SCOPE)$"
    r"|^(?:SORT|PARTITION)_KEY$|^NEXT_PAGE_TOKEN$",
    re.IGNORECASE,
)
# Up to the last @ before a slash: a password may have an @ in it.
_URL_CREDENTIALS = re.compile(r"(?<=://)[^/\s:'\"]*(?::[^/\s'\"]*)?@")
# A parameter of a URL's query or fragment (RFC 3986, sections 3.4 and 3.5): its name, and its value. A value may have a
# semicolon in it, or an apostrophe; JSON may have \u0026 for the &.
_NAME = r"[\w.%\[\]-]{1,64}"
_URL_PARAMETER = re.compile(rf"(?:(?<=[?&#;])|(?<=\\u0026))({_NAME})=((?:[^\s&#;'\"`<>\\]|;(?!{_NAME}=)|'(?=[\w%]))+)")
_SECRET_PARAMETER = re.compile(
    r"(?:.*[\W_])?(?:SIGNATURE|HMAC|AUTHORIZATION|SESSION(?:[-_]?ID)?)|SIG|KEY|AUTH|PAT|PASS|PWD|CODE", re.IGNORECASE
)
# Base64 that is broken into lines, also where they are in a string that is quoted (RFC 2045, section 6.8).
_SIGN = "[A-Za-z0-9+/_-]"
_BREAK = r"(?:\r?\n|(?:\\r)?\\n)[ \t]*"
_WRAPPED = re.compile(rf"(?<!{_SIGN})(?:{_SIGN}{{16,}}{_BREAK})+{_SIGN}+={{0,2}}")
_CUT = " … "
"""Where ``worker/errors.py`` cuts a message, which knows no secrets: there may be a part of one on either side."""
_SHORTEST_PART = 4
_SHORTEST = 6
_LINE = 12


@lru_cache(maxsize=4096)
def looks_secret(name: str) -> bool:
    """Return whether a variable of this name usually has a secret."""
    return bool(_SECRET_NAME.search(name) or _AWS_NAME.search(name)) and not _PLAIN_NAME.search(name)


def redact(text: str, env: Mapping[str, str]) -> str:
    """Return ``text`` without the values of the variables in ``env`` that look like secrets, and without the
    credentials of URLs: user and password, and the values of parameters whose names tell a secret. Of the variables,
    values of fewer than six characters are left: they would mask ordinary words.
    """
    return redactor(env)(text)


def redactor(env: Mapping[str, str]) -> Callable[[str], str]:
    """Return ``redact`` for many texts: what is secret in ``env`` is looked for once."""
    forms = _all_forms(frozenset(value for name, value in env.items() if looks_secret(name)))

    def without_wrapped(lines: re.Match[str]) -> str:
        joined = re.sub(_BREAK, "", lines[0])
        return MASK if any(form in joined for form in forms) else lines[0]

    def redacted(text: str) -> str:
        for form in forms:
            text = text.replace(form, MASK)
        if forms and ("\n" in text or "\\n" in text):
            text = _WRAPPED.sub(without_wrapped, text)
        if forms and _CUT in text:
            text = _without_parts(text, forms)
        if "://" not in text:
            return text
        text = _URL_CREDENTIALS.sub(f"{MASK}@", text)
        return _URL_PARAMETER.sub(_without_secret, text) if "=" in text else text

    return redacted


def _without_parts(text: str, forms: Iterable[str]) -> str:
    """Return a text without what is left of a secret before and after each place where it was cut."""
    first, *others = text.split(_CUT)
    pieces = [first]
    for piece in others:
        before = max((_common(form, pieces[-1]) for form in forms), default=0)
        after = max((_common(form[::-1], piece[: len(form)][::-1]) for form in forms), default=0)
        pieces[-1] = f"{pieces[-1][:-before]}{MASK}" if before else pieces[-1]
        pieces.append(f"{MASK}{piece[after:]}" if after else piece)
    return _CUT.join(pieces)


def _common(form: str, text: str) -> int:
    """Return how many characters at the end of a text are the beginning of a form, if they tell something of it."""
    end = text[-_SHORTEST_PART:]
    at = form.rfind(end) if len(end) == _SHORTEST_PART else -1
    while at >= 0 and not text.endswith(form[: at + _SHORTEST_PART]):
        at = form.rfind(end, 0, at + _SHORTEST_PART - 1)
    return at + _SHORTEST_PART if at >= 0 else 0


def _without_secret(parameter: re.Match[str]) -> str:
    name = parameter[1]
    is_secret = looks_secret(name.replace("-", "_")) or _SECRET_PARAMETER.fullmatch(name)
    return f"{name}={MASK}" if is_secret else parameter[0]


@lru_cache(maxsize=8)
def _all_forms(secrets: frozenset[str]) -> tuple[str, ...]:
    """Return the forms of the secrets that are long enough to be masked, the longest first."""
    forms = {form for secret in secrets for form in _forms(secret) if len(form) >= _SHORTEST}
    return tuple(sorted(forms, key=len, reverse=True))


def _forms(secret: str) -> Iterator[str]:
    """Yield the ways in which a secret turns up in messages: as it is, on one line, quoted, escaped, encoded."""
    import html  # not at the start of every command

    lines = [line for line in secret.splitlines() if len(line) >= _LINE]  # a tail may have only some of them
    for text in (secret, secret.strip(), " ".join(secret.split()), *lines):
        yield text
        yield json.dumps(text, ensure_ascii=False)[1:-1]
        yield json.dumps(text)[1:-1]
        yield repr(text)[1:-1]
        yield json.dumps(text, ensure_ascii=False)[1:-1].replace("/", "\\/")
        yield html.escape(text)
        yield html.escape(text, quote=False)
        for encode, safe in ((quote, ""), (quote, "/"), (quote_plus, "")):
            encoded_text = encode(text, safe=safe, errors="surrogateescape")
            yield encoded_text
            yield re.sub("%[0-9A-F]{2}", lambda sign: sign[0].lower(), encoded_text)
    if len(re.sub(r"\W|_", "", secret)) >= _SHORTEST:
        yield sanitize_key(secret)  # of a key that has it, the directory
    for text in {secret, secret.strip()}:  # base64 is what `Authorization: Basic` has
        yield from (form.decode("ascii") for form in base64_forms(encoded(text)))
        yield encoded(text).hex()
        yield encoded(text).hex().upper()


def encoded(text: str) -> bytes:
    """Return the bytes of a variable's value, or of part of it; those that are no UTF-8 are as they were."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half a character, which JSON can have
        return text.encode("utf-8", "surrogatepass")


def base64_forms(data: bytes) -> Iterator[bytes]:
    """Yield what base64 makes of ``data`` within more, in both alphabets, at each of three offsets.

    RFC 4648, section 4: three bytes are four characters. Only those characters count that have no bit of another byte.
    """
    for before, unsure in enumerate((0, 2, 3)):
        whole = (before + len(data)) * 8 // 6
        padded = bytes(before) + data + bytes(3)
        yield base64.b64encode(padded)[unsure:whole]
        yield base64.urlsafe_b64encode(padded)[unsure:whole]
