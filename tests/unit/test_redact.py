"""Taking secrets out of what is printed."""

from __future__ import annotations

import html
import json
import re
from base64 import b64encode, encodebytes
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from statebake.redact import MASK, redact

NAMES = ["API_TOKEN", "PGPASSWORD", "CLIENT_SECRET", "AWS_SECRET_ACCESS_KEY", "apikey", "SIGNING_KEY", "DB_PASS"]
SECRETS = st.text(st.characters(exclude_characters="*", exclude_categories=["Cs"]), min_size=6, max_size=20)
TEXT = st.text(st.characters(exclude_characters="*", exclude_categories=["Cs"]))


@given(st.lists(st.tuples(st.sampled_from(NAMES), SECRETS), min_size=1, max_size=4), st.data())
@example([("API_TOKEN", "abcdef"), ("SIGNING_KEY", "bcdefg")], None)
def test_no_secret_survives(secrets, data):
    """No value of a variable that looks like a secret is in the output, wherever and however often it was."""
    env = dict(secrets)
    values = list(env.values())
    parts = ["abcdefg"] if data is None else data.draw(st.lists(st.sampled_from(values) | TEXT, max_size=6))
    for text in ("".join(parts), " ".join(values)):
        assert not [value for value in values if value in redact(text, env)]


@given(SECRETS)
@example('quote"back\\slash')
@example("line one\nline two\n")
@example("  padded  ")
@example("ümläut/+ &=%")
def test_no_form_of_a_secret_survives(secret):
    """The forms in which messages show a secret are taken out too: quoted, escaped, on one line, stripped."""
    env = {"API_TOKEN": secret}
    forms = [
        json.dumps(secret),
        json.dumps(secret, ensure_ascii=False),
        repr(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        quote(secret),
        re.sub("%..", lambda sign: sign[0].lower(), quote(secret)),
        html.escape(secret),
        json.dumps(secret, ensure_ascii=False).replace("/", "\\/"),
        secret.encode().hex(),
        secret.encode().hex().upper(),
        " ".join(secret.split()),
        secret.strip(),
    ]
    for form in forms:
        core = form.strip("'\"")
        assume(len(core) >= 6)
        assert core not in redact(f"before {form} after", env)


@pytest.mark.parametrize("before", ["", "bot:", "token:", "u:"])
def test_a_secret_in_base64(before):
    """What ``Authorization: Basic`` has is taken out, wherever in it the secret begins."""
    encoded = b64encode(before.encode() + b"hunter2hunter2:x").decode()
    text = redact(f"Basic {encoded}", {"API_TOKEN": "hunter2hunter2"})
    assert MASK in text
    first, end = -(-len(before) * 8 // 6), (len(before) + 14) * 8 // 6
    assert not any(encoded[at : at + 4] in text for at in range(first, end - 4))


@given(st.binary(max_size=120), st.binary(max_size=120), st.sampled_from(["", "  ", "\t"]))
def test_base64_in_lines(before, after, indent):
    """A secret in base64 that is broken into lines goes with the lines that it is in; the text around them stays."""
    lines = encodebytes(before + b"hunter22-and-more" + after).decode().splitlines()
    text = redact(
        "\n".join(["It is:", *(f"{indent}{line}" for line in lines), "", "The end"]), {"TOKEN": "hunter22-and-more"}
    )
    core = b64encode(bytes(len(before) % 3) + b"hunter22-and-more").decode()[4:-4]
    assert core not in "".join(text.split())
    assert (text.splitlines()[0], text.splitlines()[-1]) == ("It is:", "The end")


@pytest.mark.parametrize("width", [20, 60, 76])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", r"\n", r"\r\n"])
def test_base64_in_lines_of_any_kind(width, line_end):
    """Short lines, and line ends in a string that is quoted, make no difference."""
    whole = b64encode(b"z" * 40 + b"hunter22-and-more" + b"z" * 40).decode()
    lines = [whole[at : at + width] for at in range(0, len(whole), width)]
    text = redact(f"b'{line_end.join(lines)}'", {"TOKEN": "hunter22-and-more"})
    assert MASK in text
    assert b64encode(b"zhunter22-and-more").decode()[4:-4] not in text.replace(line_end, "")


@pytest.mark.parametrize("shown", range(4, 17))
def test_what_a_cut_has_left(shown):
    """Where a worker has cut a message within a secret, neither its beginning nor its end is left."""
    secret = "hunter22-and-more"
    text = redact(f"a {secret[:shown]} … {secret[-shown:]} b … c", {"TOKEN": secret})
    assert text == f"a {MASK} … {MASK} b … c"
    assert redact("a hun … ore b", {"TOKEN": secret}) == "a hun … ore b"
    assert redact("a abcabcab … c", {"TOKEN": "abcabcabcabd"}) == f"a {MASK} … c"
    assert redact("a xabcabx … c", {"TOKEN": "abcabcabcabd"}) == "a xabcabx … c"


def test_the_directory_of_a_key():
    """A secret that is in a key is taken out of its directory's name as well."""
    assert redact("Tables__Zk3__q__9xYw7__/state", {"MY_TOKEN": "Zk3/q+9xYw7"}) == f"Tables__{MASK}__/state"


def test_base64_of_something_else_stays():
    """Lines without a secret in them are shown as they are, however long they are."""
    text = "\n".join([encodebytes(bytes(range(256)) * 8).decode(), "x" * 2_000_000, "ab", ""])
    assert redact(text, {"TOKEN": "hunter22-and-more"}) == text


@pytest.mark.parametrize(
    "name",
    [
        "TOKEN",
        "github_token",
        "MY_PASSWORD",
        "PASSWD",
        "SECRET_THING",
        "CREDENTIALS",
        "API_KEY",
        "APIKEY",
        "PRIVATE_KEY",
        "SNOWFLAKE_PRIVATE_KEY_PASSPHRASE",
        "DB_PASS",
        "DB_PWD",
        "AZURE_PAT",
        "AWS_SESSION_TOKEN",
        "DBT_ENV_SECRET_X",
    ],
)
def test_names_that_look_like_secrets(name):
    """These names stand for secrets, in capitals or not."""
    assert redact("it is hunter22!", {name: "hunter22"}) == f"it is {MASK}!"


@pytest.mark.parametrize("name", ["PATH", "HOME", "PWD", "USER", "KEYBOARD", "MONKEY", "COMPASS", "STATEBAKE_JOBS"])
def test_names_that_do_not(name):
    """Ordinary variables are left: masking a path would make a message useless."""
    assert redact("it is hunter22!", {name: "hunter22"}) == "it is hunter22!"


def test_short_values_are_left():
    """A value of fewer than six characters would mask ordinary words."""
    assert redact("the state of a test", {"TOKEN": "state", "PASSWORD": ""}) == "the state of a test"


def test_the_longer_secret_first():
    """A secret that contains another one goes as a whole."""
    assert redact("abcdefghi", {"A_TOKEN": "abcdef", "B_TOKEN": "abcdefghi"}) == MASK


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://user:hunter2@host/x", "https://****@host/x"),
        ("https://TOKEN@github.com/o/r.git", "https://****@github.com/o/r.git"),
        ("postgresql+psycopg://u:p@db:5432/x", "postgresql+psycopg://****@db:5432/x"),
        ("HTTPS://u:p@host", "HTTPS://****@host"),
        ("git_https://u:p@host", "git_https://****@host"),
        ("https://u:p@ss@host/", "https://****@host/"),
        ("https://:p@host", "https://****@host"),
        ("(https://a:b@c), https://d:e@f", "(https://****@c), https://****@f"),
        ("https://host/path@v1", "https://host/path@v1"),
        ("https://host/@scope/pkg", "https://host/@scope/pkg"),
        ("https://host:8080/x", "https://host:8080/x"),
        ("mail me@example.com", "mail me@example.com"),
        ("git@github.com:o/r.git", "git@github.com:o/r.git"),
        ("https://h/x?token=abc", "https://h/x?token=****"),
        ("https://h/x?a=1&private_token=abc&b=2", "https://h/x?a=1&private_token=****&b=2"),
        ("'https://h/x?private-token=a%2Fb+c'", "'https://h/x?private-token=****'"),
        ("https://h/x?a=1&amp;access_token=abc", "https://h/x?a=1&amp;access_token=****"),
        ("https://h/x#access_token=abc", "https://h/x#access_token=****"),
        ("https://h/x?X-Amz-Credential=a%2Fb&X-Amz-Signature=0f&X-Amz-Date=1", None),
        ("https://h/x?sig=abc&sv=1", "https://h/x?sig=****&sv=1"),
        ("https://u:p@h/x?key=abc", "https://****@h/x?key=****"),
        ("x @ https://h/x.whl#sha256=0f", "x @ https://h/x.whl#sha256=0f"),
        ("https://h/x?page=2&keyword=a", "https://h/x?page=2&keyword=a"),
        ("https://h/x?public_key=a", "https://h/x?public_key=a"),
        ("https://h/x?authorization=Bearer%20x&page=1", "https://h/x?authorization=****&page=1"),
        ("https://h/x?code=abc", "https://h/x?code=****"),
        (
            "https://h/x?session=abc&session_id=abc&sessionid=abc",
            "https://h/x?session=****&session_id=****&sessionid=****",
        ),
        ("https://h/x?hmac=abc&X-Hub-Signature=abc", "https://h/x?hmac=****&X-Hub-Signature=****"),
        (r'{"a": "https://h/x?a=1\u0026token=abc\u0026b=2"}', r'{"a": "https://h/x?a=1\u0026token=****\u0026b=2"}'),
        ("https://h/x?token=ab;cd&a=1", "https://h/x?token=****&a=1"),
        ("https://h/x?token=ab;cd;a=1;b=2", "https://h/x?token=****;a=1;b=2"),
        ("https://h/x?a=1;token=ab", "https://h/x?a=1;token=****"),
        ("'https://h/x?token=ab'cd', 'x'", "'https://h/x?token=****', 'x'"),
        (
            "https://h/x?sort_key=a&partition_key=b&designature=c",
            "https://h/x?sort_key=a&partition_key=b&designature=c",
        ),
        ("https://h/x?next_page_token=a&zip_code=b", "https://h/x?next_page_token=a&zip_code=b"),
    ],
)
def test_credentials_of_urls(text, expected):
    """The credentials of every URL go, its host and path stay; what is no credential stays too."""
    amazon = f"https://h/x?X-Amz-Credential={MASK}&X-Amz-Signature={MASK}&X-Amz-Date=1"
    assert redact(text, {}) == (expected or amazon)


@given(TEXT)
def test_text_without_secrets_is_left(text):
    """Text without secrets and URLs comes out as it went in."""
    assume("://" not in text)
    assert redact(text, {"PATH": "/usr/bin", "TOKEN": ""}) == text


def test_json_stays_json():
    """A document whose text holds URLs with credentials and secrets with quotes is still JSON afterwards."""
    env = {"TOKEN": 'se"cr\\et\n!'}
    document = {"a": f"x{env['TOKEN']}y", "b": "https://u:p@h/\nnext@line", "c": "https://x\n@y"}
    document["d"] = "https://x?token=a\nnext"
    cleaned = json.loads(redact(json.dumps(document, ensure_ascii=False), env))
    assert cleaned["a"] == f"x{MASK}y"
    assert cleaned["b"].startswith(f"https://{MASK}@h/")
    assert cleaned["d"] == f"https://x?token={MASK}\nnext"
