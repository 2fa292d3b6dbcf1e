"""What is known by its looks."""

from __future__ import annotations

import base64
import json
import string

import pytest

JOHN_DOE = "eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ"
HEX = string.hexdigits[:16]
UPPER = string.ascii_uppercase + string.digits


def _jwt(made, header: dict, payload: dict) -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in (header, payload)]
    return ".".join([*parts, made.letters(43)])


TOKENS = {
    "github-token": lambda m: "ghp_" + m.letters(36),
    "github-token ": lambda m: "github_pat_" + m.letters(22) + "_" + m.letters(59),
    "gitlab-token": lambda m: "glpat-" + m.letters(20),
    "aws-access-key-id": lambda m: "AKIA" + m.letters(16, UPPER),
    "slack-token": lambda m: "xoxb-" + m.letters(12, string.digits) + "-" + m.letters(24),
    "slack-webhook": lambda m: "/".join(
        ["hooks.slack.com/services", "T" + m.letters(8, UPPER), "B" + m.letters(8, UPPER), m.letters(24)]
    ),
    "stripe-key": lambda m: "sk_live_" + m.letters(24),
    "google-api-key": lambda m: "AIza" + m.letters(35),
    "google-oauth": lambda m: "GOCSPX-" + m.letters(28),
    "jwt": lambda m: _jwt(m, {"alg": "HS256", "typ": "JWT"}, {"sub": "shop", "iat": 17}),
    "jwt ": lambda m: _jwt(m, {"alg": "HS256", "jwk": {"kty": "oct"}}, {"sub": "shop"}),  # "eyJ" twice in its header
    "npm-token": lambda m: "npm_" + m.letters(36),
    "pypi-token": lambda m: "pypi-AgEIcHlwaS5vcmc" + m.letters(100),
    "databricks-token": lambda m: "dapi" + m.letters(32, HEX),
    "dbt-token": lambda m: "dbtc_" + m.letters(40),
    "dbt-token ": lambda m: "dbtu_" + m.letters(40),
    "digitalocean-token": lambda m: "dop_v1_" + m.letters(64, HEX),
    "vault-token": lambda m: "hvs." + m.letters(24),
    "sendgrid-key": lambda m: "SG." + m.letters(22) + "." + m.letters(43),
    "openai-key": lambda m: "sk-" + m.letters(20) + "T3Blbk" + "FJ" + m.letters(20),
    "anthropic-key": lambda m: "sk-ant-api03-" + m.letters(95),
    "atlassian-token": lambda m: "ATATT3" + m.letters(186),
    "azure-account-key": lambda m: "AccountKey=" + m.letters(86) + "==",
    "azure-client-secret": lambda m: m.letters(3) + "8Q~" + m.letters(34),
    "docker-token": lambda m: "dckr_pat_" + m.letters(27),
    "huggingface-token": lambda m: "hf_" + m.letters(34),
    "grafana-token": lambda m: "glsa_" + m.letters(32) + "_" + m.letters(8, HEX),
    "terraform-token": lambda m: m.letters(14) + ".atlasv1." + m.letters(67),
    "hubspot-token": lambda m: "pat-na1-" + "-".join(m.letters(n, HEX) for n in (8, 4, 4, 4, 12)),
    "shopify-token": lambda m: "shpat_" + m.letters(32, HEX),
}


@pytest.mark.parametrize("rule", TOKENS)
@pytest.mark.parametrize(
    "around", ["{}", 'key = "{}"', '"a\\n{}\\n"', "x={}&y", "[{}]", "%20{}%20", "https://{}@h.net/x"]
)
def test_tokens(search, made, rule, around):
    """A token is found whole, once, whatever is around it."""
    token = TOKENS[rule](made)
    [hit] = search(around.format(token).encode())
    assert (hit.rule, hit.name) == (rule.strip(), None)
    assert hit.offset == around.index("{}")
    assert token not in hit.what


@pytest.mark.parametrize("rule", TOKENS)
def test_tokens_in_longer_words(search, made, rule):
    """What is part of a longer word is no token where tokens have one length: base64 has anything in it."""
    if rule in {"github-token", "npm-token", "aws-access-key-id", "databricks-token", "huggingface-token"}:
        assert search(f"abc{TOKENS[rule](made)}".encode()) == []


@pytest.mark.parametrize(
    "text",
    [
        "AKIA" + "IOSFODNN7EXAMPLE",
        "AKIA" + "X" * 16,
        "ghp_" + "x" * 36,
        "ghp_" + "your-token-here".ljust(36, "x"),
        "ghp_",
        "github_pat_",
        "xoxb-" + "not-a-real-token",
        "https://hooks.slack.com/services/T00000000/B00000000/" + "X" * 24,
        "npm_config_registry",
        "sk_live_",
        "dapi" + "0" * 32,
        "hf_hub_download_with_a_very_long_name_of_a_function",
        "AccountKey=" + "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
        ".".join(["eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9", JOHN_DOE, "SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"]),
        "eyJhIjoxfQxxxx.eyJiIjoyfQxxx." + "a" * 43,
    ],
)
def test_what_is_no_token(search, text):
    """Examples of documents, names in source code and beginnings of tokens are none."""
    assert search(text.encode()) == []


@pytest.mark.parametrize("label", ["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED ", "DSA "])
@pytest.mark.parametrize("line", ["\n", "\r\n", "\\n", "\n    ", '\\n"\n    "', "\n# "])
def test_private_keys(search, made, label, line):
    """A private key is found by its body, whatever its lines are parted by."""
    body = line.join(made.letters(64, seed=seed) for seed in range(4))
    begin, end = (f"-----{word} {label}PRIVATE " + "KEY-----" for word in ("BEGIN", "END"))
    [hit] = search(f'key: "{begin}{line}{body}{line}{end}"'.encode())
    assert (hit.rule, hit.what, hit.offset) == ("private-key", "a private key", 6)


def test_private_keys_with_headers(search, made):
    """Old keys have headers before their body, and those of OpenPGP have an empty line."""
    head = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,ABCDEF0123456789\n\n"
    assert len(search(f"-----BEGIN RSA PRIVATE {'KEY'}-----\n{head}{made.letters(64)}\n".encode())) == 1
    assert len(search(f"-----BEGIN PGP PRIVATE {'KEY'} BLOCK-----\n\n{made.letters(64)}\n".encode())) == 1


@pytest.mark.parametrize(
    "text",
    [
        'if line == "-----BEGIN PRIVATE KEY-----":',
        '_RE = re.compile("-----BEGIN (RSA )?PRIVATE KEY-----\\n(.*)\\n-----END PRIVATE KEY-----")',
        "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\n" + "A" * 64 + "\n-----END PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nYOUR_PRIVATE_KEY_GOES_HERE\n-----END PRIVATE KEY-----",
        "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAu1SU1LfVLPHCozMxH2Mo\n",
        "-----BEGIN CERTIFICATE-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAu1SU1LfVLPHCozMxH2Mo\n",
    ],
)
def test_what_is_no_private_key(search, text):
    """The words alone, keys that are public, and bodies that are none."""
    assert search(text.encode()) == []


@pytest.mark.parametrize(
    ("url", "at"),
    [
        ("postgres://shop:s3cr3tXy{}db.internal:5432/shop", 0),
        ("'mysql+pymysql://shop:p%40ssw0rdX{}10.0.0.1/x'", 1),
        ("url: https://bob:Tr0ub4dor{}git.shop.net/x.git", 5),
        ("https://:s3cr3tXy{}redis.shop.net", 0),
        ("https://a:b:c9xyz{}shop.net", 0),
        ("postgresql://svc:gK9(2)xPq7{}db.shop.net", 0),
        ("postgresql://svc:gK9{{2xPq7{}db.shop.net", 0),
        ("postgresql://svc:gK9}}xP[q7{}db.shop.net", 0),
        ("postgresql://svc:gK9*xPq7{}db.shop.net", 0),
        ("'postgresql://svc:gK9'xPq7{}db.shop.net'", 1),
        ("postgresql://svc:gK9$xPq7w{}db.shop.net", 0),
        ("postgresql://svc:gK9xPq7w{}server:5432/x", 0),
        ("postgresql://svc:gK9xPq7w{}server.local", 0),
        ("amqp://shop:two{}signs9x@mq.shop.net", 0),
        ("https://Zq8rT5vW2mXabcd9LpQ1{}git.shop.net/o/r.git", 0),
        ('"jdbc:https:\\u002f\\u002f", "https://bob:swordfish{}db"', 28),
    ],
)
def test_urls_with_credentials(search, url, at):
    """A password in a URL is found, and a token that stands where the user does."""
    [hit] = search(url.format("@").encode())
    assert (hit.rule, hit.what, hit.offset) == ("url-credentials", "a URL with credentials", at)


@pytest.mark.parametrize(
    "url",
    [
        "https://user:password{}host/x",
        "postgresql://scott:tiger{}localhost/test",
        "postgres://postgres:postgres{}db/x",
        "https://bob:${{PASSWORD}}{}shop.net",
        "https://bob:$PASSWORD{}shop.net",
        "https://bob:$dbPassword1{}shop.net",
        "https://bob:prefix-$PASSWORD1{}shop.net",
        "https://bob:$(cat /run/x1){}shop.net",
        "https://bob:$(get-token-1){}shop.net",
        "https://bob:[password1]{}shop.net",
        "['http://shop.net:8080','a1b2c3d4{}shop.net']",
        "'https://bob:'+token1+'{}shop.net'",
        "https://bob:swordfish{}server/x",
        "https://bob:password123{}server.local/x",
        "https://{{user}}:{{token}}{}shop.net",
        "https://bob:<token>{}shop.net",
        "https://bob:****{}shop.net",
        "https://bob:%s{}shop.net",
        "https://%(user)s:%(password)s{}shop.net",
        "https://bob:{}shop.net",
        "https://bob{}shop.net",
        "https://your-token{}shop.net",
        "https://git{}github.com/o/r.git",
        "https://bob:s3cr3tXy{}example.com/x",
        "https://bob:your-password{}shop.net",
        "https://bob:xxxxxxxx{}shop.net",
        "https://bob:changeme123{}shop.net",
        "https://shop.net/a:b{}c",
        "https://shop.net:8080/{}scope/x",
        "https://shop.net?a=b:c{}d",
        "://bob:s3cr3tXy{}shop.net",
        "https://0123456789abcdef0123456789abcdef{}o17.ingest.sentry.io/42",
        "ssh://git{}shop.net:22/x",
        "https://shop.net and bob:s3cr3tXy{}shop.net",
    ],
)
def test_urls_without_credentials(search, url):
    """Placeholders, users without passwords and what is no authority at all."""
    assert search(url.format("@").encode()) == []


def test_formats_can_be_left_out(search, made):
    """Only values count where formats are not wanted."""
    assert search(TOKENS["github-token"](made).encode(), formats=False) == []


def test_a_value_is_known_better_than_its_format(search, made):
    """A token that is the value of a variable is told of once, by the variable."""
    secret = made.secret("GITHUB_TOKEN")
    token = type(secret)("GITHUB_TOKEN", "ghp_" + made.letters(36))
    [hit] = search(f"https://x:{token.value}@github.com/o/r".encode(), token)
    assert (hit.rule, hit.what, hit.name) == ("GITHUB_TOKEN", "the value of GITHUB_TOKEN", "GITHUB_TOKEN")
