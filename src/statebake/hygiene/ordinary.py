"""Values that are no secrets, whatever their variable is called: searching for them would find ordinary text."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from urllib.parse import urlsplit

SHORTEST = 8
"""Characters; shorter values turn up by chance."""
_FEWEST_CHARACTERS = 3  # different ones
_WORDS = frozenset(
    """
    password passwords passw0rd password1 password12 password123 password1234 passphrase changeit changeme change-me
    change_me changethis change-this letmein example examples undefined disabled enabled required optional placeholder
    redacted notsecret not-secret not_secret no-secret nosecret secretsecret mysecret my-secret my_secret mypassword
    my-password my_password mytoken my-token my_token yourtoken your-token your_token your-secret your_secret
    your-password your_password yourpassword your-api-key your_api_key yourapikey api-key api_key apitoken access-token
    access_token client-secret client_secret secret-key secret_key secretkey testtest test-token test_token testtoken
    test-password test_password testpassword test-secret test_secret testsecret fake-token fake_token faketoken
    dummy-token dummy_token dummytoken dev-secret devsecret postgres postgresql airflow dagster snowflake databricks
    username username1 userpass minioadmin rootpass rootpassword adminadmin administrator localhost production
    development staging default 12345678 123456789 1234567890 0123456789 0123456789abcdef abcdefgh abcdefghij qwertyui
    qwertyuiop none null true false basic bearer inherit external automatic anonymous unlimited
    """.split()
)
_PASSWORD_WORDS = frozenset(
    """
    pass passwd password pwd pw passwort secret token key apikey api-key api_key user username name login credentials
    cred creds admin root guest test foo bar baz qux spam eggs tiger scott my your some mypass mypassword yourpassword
    userpass dbpass dbpassword db_password db_pass pass_word passphrase p abc value string here any none null true false
    repo repository branch ref sha org project
    """.split()
) | {""}
_NUMBER = re.compile(r"[+-]?[\d_.,]+(?:e[+-]?\d+)?[a-z%]{0,2}")
_WORD = re.compile(r"[a-z]+")
_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}(?::\d{1,5})?/?|\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?")
_HOST_PORT = re.compile(r"[a-z0-9.-]+:\d{2,5}")
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[T ][\d:.]+(?:Z|[+-]\d\d:?\d\d)?)?")
_PLACEHOLDER = re.compile(
    r"<[^<>]*>|\$\{?\w+\}?|\$\([^()]*\)|\{\{.*\}\}|%\w+%|\{\w+\}|\[\w+\]|(?:your|my|some|the|insert|enter|replace)[-_ ].*"
    r"|(?:change|replace|fill|fix)[-_ ]?(?:me|this|it)\b.*|(?:todo|fixme|tbd)\b.*|example[-_ ].*|.*[-_ ]example|[x*.#-]+",
    re.IGNORECASE,
)
_ROOTS = frozenset(
    """
    app bin boot builds cache code config data dev dist etc github home lib lib64 media mnt nix opt private proc
    project repo root run runner sbin secrets snap srv sys tmp usr Users var vault Volumes work workdir workspace
    workspaces Library Applications System
    """.split()
)
_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\\w")
_RELATIVE = re.compile(r"(?:\.{1,2}|~[\w.-]*)/")
_PLAIN_PATH = re.compile(r"[\w.@ -]+(?:/[\w.@ -]+)+/?")
_SUFFIX = re.compile(r"\.[A-Za-z][A-Za-z0-9]{0,5}")


def why_not(value: str) -> str | None:
    """Return in words why a secret's value is not searched for, or None if it is. Never has the value in it."""
    if not value:
        return "its value is empty"
    if len(value) < SHORTEST:
        return f"its value has fewer than {SHORTEST} characters and would be found by chance"
    if len(set(value)) < _FEWEST_CHARACTERS:
        return "its value is one or two characters over and over"
    if value.lower() in _WORDS:
        return "its value is an ordinary word"
    if _PLACEHOLDER.fullmatch(value):
        return "its value is a placeholder"
    if _is_path(value):
        return "its value is the path of a file"
    if value.lower().startswith(("arn:aws:", "projects/")) and "/" in value and " " not in value:
        return "its value is the name of a resource"
    return None


def is_plain(value: str) -> bool:
    """Return whether a variable's value is plainly no secret: a URL without credentials, a path, a number, a boolean,
    a host, a date, an ordinary word.
    """
    if "://" in value:
        return not _has_credentials(value)
    return (
        why_not(value) is not None
        or any(form.fullmatch(value) for form in (_NUMBER, _WORD, _HOST, _HOST_PORT, _DATE))
        or (_PLAIN_PATH.fullmatch(value) is not None and _SUFFIX.fullmatch(PurePosixPath(value).suffix) is not None)
    )


def _has_credentials(value: str) -> bool:
    try:
        return bool(urlsplit(value).password or urlsplit(value).query or urlsplit(value).fragment) or "@" in value
    except ValueError:
        return True


def _is_path(value: str) -> bool:
    """Return whether a value is a path of the file system, by its looks: base64 may begin with a slash as well."""
    if "\n" in value:
        return False
    if _RELATIVE.match(value) or _WINDOWS.match(value) or value.startswith("file:/"):
        return True
    if not value.startswith("/"):
        return False
    parts = PurePosixPath(value).parts[1:]
    return bool(parts) and (parts[0] in _ROOTS or _SUFFIX.fullmatch(PurePosixPath(parts[-1]).suffix) is not None)


def is_placeholder(password: str) -> bool:
    """Return whether what stands for a password in a URL is there to show where one goes."""
    word = password.lower().strip("-_.0123456789!?")
    return (
        word in _PASSWORD_WORDS
        or password.lower() in _WORDS
        or _PLACEHOLDER.fullmatch(password) is not None
        or len(set(password)) < _FEWEST_CHARACTERS
    )
