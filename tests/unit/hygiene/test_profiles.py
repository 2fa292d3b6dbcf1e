"""Passwords in dbt's profiles.yml."""

from __future__ import annotations

from itertools import pairwise

import pytest

from statebake.hygiene.profiles import written_passwords

BOMB = "a: &a [x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in pairwise("abcdefghij")
)
PROFILE = """
shop:
  target: prod
  outputs:
    prod:
      type: postgres
      user: shop
      password: {password}
      threads: 4
"""


def test_a_written_password():
    """A password that is written out is told by its place."""
    assert written_passwords(PROFILE.format(password="hunter2-hunter2").encode()) == ["shop.outputs.prod.password"]


@pytest.mark.parametrize("password", ["\"{{ env_var('DB_PASSWORD') }}\"", "", "null", "password"])
def test_no_password(password):
    """A password that comes from a variable, or is none, is no finding."""
    assert written_passwords(PROFILE.format(password=password).encode()) == []


@pytest.mark.parametrize("name", ["pass", "token", "private_key", "client_secret", "motherduck_token", "keyfile_json"])
def test_what_adapters_call_it(name):
    """The names that adapters have for their credentials are known."""
    assert written_passwords(f"a: {{outputs: {{dev: {{{name}: abcdefgh}}}}}}".encode()) == [f"a.outputs.dev.{name}"]


def test_a_key_file_that_is_written_out():
    """A table under a secret name is as secret as its name says."""
    text = "a: {outputs: {dev: {keyfile_json: {client_email: x@y, private_key: abc}}}}"
    assert "a.outputs.dev.keyfile_json.private_key" in written_passwords(text.encode())


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe\x00",
        b"a: [",
        b"- 1\n- 2\n",
        b"x: &x [1]\ny: *x\n",
        BOMB.encode(),
        b"a: &a\n  b: *a\n",
        b"a: &a [*a]\n",
        b"&a [*a]\n",
        b"&a [*a, *a]\n",
        b"a: &a {password: *a}\n",
        BOMB.encode() + b"k: " + b"{k: " * 18 + b"{password: {a: *j}}" + b"}" * 18,
        BOMB.replace("[x]", "[]").encode(),
        b"a: {password: !!int ''}\n",
        b"a: !!bool x\n",
        b"a: !!timestamp x\n",
    ],
    ids=[
        *("no-text", "no-yaml", "list", "alias", "bomb", "loop", "loop of lists", "loop at the top", "two loops"),
        *("loop of passwords", "deep bomb", "bomb of nothing"),
        *("no-number", "no-boolean", "no-time"),
    ],
)
def test_odd_files(content):
    """A file that is no profile, or made to take forever, yields nothing, soon."""
    assert written_passwords(content) == []
