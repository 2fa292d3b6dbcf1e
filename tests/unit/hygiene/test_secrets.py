"""Which values of the environment are secrets."""

from __future__ import annotations

import json

import pytest

from statebake.hygiene.secrets import Secret, secrets_at_hand

VALUE = "Zq8" + "rT5vW2mX"


@pytest.mark.parametrize(
    "name",
    [
        "GITHUB_TOKEN",
        "DB_PASSWORD",
        "MY_SECRET_THING",
        "SIGNING_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_SECURITY_THING",
        "AWS_S3_SECRET_ACCESS_KEY",
        "AWS_ACCOUNT_SECRET",
        "AWS_LAMBDA_TOKEN",
        "db_passwd",
        "AZURE_STORAGE_SAS",
        "SENTRY_DSN",
    ],
)
def test_values_of_names_that_look_like_secrets(name):
    """A variable with such a name is a secret, whether anything reads it or not."""
    assert secrets_at_hand({name: VALUE}).secrets == (Secret(name, VALUE),)


@pytest.mark.parametrize(
    "name",
    [
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_PROFILE",
        "AWS_ROLE_ARN",
        "AWS_S3_ADDRESSING_STYLE",
        "AWS_ENDPOINT_URL_SECRETS_MANAGER",
        "AWS_SECRET_NAME",
        "PATH",
        "SSH_PUBLIC_KEY",
        "HOSTNAME",
    ],
)
def test_values_of_other_names(name):
    """What everybody may see is no secret, and is not spoken of."""
    found = secrets_at_hand({name: VALUE})
    assert (found.secrets, found.ignored) == ((), ())


def test_the_fingerprint_in_images_of_python():
    """The variable that Python's own images have is in every image that is made from them."""
    assert secrets_at_hand({"GPG_KEY": "A035C8C19219BA821ECEA86B64E628F8D684696D"}).secrets == ()
    assert len(secrets_at_hand({"GPG_KEY": f"-----BEGIN x-----\n{VALUE}"}).secrets) == 1


def test_names_of_the_project():
    """A project's own patterns make secrets of other variables; stars and question marks are what they match."""
    env = {"SHOP_LOGIN": VALUE, "SHOP_LOGIN2": f"{VALUE}2", "OTHER": f"{VALUE}3"}
    assert [secret.name for secret in secrets_at_hand(env, names=["SHOP_*"]).secrets] == ["SHOP_LOGIN", "SHOP_LOGIN2"]
    assert [secret.name for secret in secrets_at_hand(env, names=["SHOP_LOGIN?"]).secrets] == ["SHOP_LOGIN2"]
    assert [secret.name for secret in secrets_at_hand(env, names=["OTHER"]).secrets] == ["OTHER"]


@pytest.mark.parametrize(
    "value",
    [
        "https://shop.example/api/v2",
        "https://shop.internal:8443",
        "/data/warehouse/things",
        "data/things.csv",
        "./things",
        "1234567890",
        "3.14159265358",
        "true",
        "disabled",
        "db.internal.shop.net",
        "db.internal:5432",
        "10.20.30.40",
        "production",
        "customers",
        "2026-01-02",
        "2026-01-02T03:04:05Z",
        "",
    ],
)
def test_what_components_read_and_is_plainly_no_secret(value):
    """Of the variables that components read, those with an ordinary value are left, without a word."""
    found = secrets_at_hand({"SHOP": value}, read=["SHOP"])
    assert (found.secrets, found.ignored) == ((), ())


@pytest.mark.parametrize("value", [VALUE, "correct horse battery staple", "Zürich-8x-Ümläut", "a1b2c3d4e5f60718"])
def test_what_components_read_otherwise(value):
    """Every other value of a variable that components read is a secret."""
    assert secrets_at_hand({"SHOP": value, "OTHER": value}, read=["SHOP"]).secrets == (Secret("SHOP", value),)


def test_the_password_of_a_url():
    """Of a URL that components read its password counts, decoded; of one that is a secret as a whole, both do."""
    url = "postgres://shop:" + "s%C3%B6cret99@db.internal/shop"
    [found] = secrets_at_hand({"SHOP_URL": url}, read=["SHOP_URL"]).secrets
    assert (found.value, found.what) == ("söcret99", "the password in the value of SHOP_URL")
    assert secrets_at_hand({"DATABASE_URL": url}).secrets == (Secret("DATABASE_URL", "söcret99", "the password in"),)
    assert secrets_at_hand({"DATABASE_URL": "postgres://shop@db.internal/shop"}).secrets == ()
    whole, part = secrets_at_hand({"SHOP_CONNECTION_STRING": url}).secrets
    assert (whole.value, part.value) == (url, "söcret99")


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("", "is empty"),
        ("1234567", "fewer than 8 characters"),
        ("password", "ordinary words"),
        ("changeme", "ordinary words"),
        ("ChangeMe-123", "ordinary words"),
        ("your-api-key-here", "placeholder"),
        ("12345678", "ordinary words or digits"),
        ("xxxxxxxx", "over and over"),
        ("--------", "over and over"),
        ("*" * 20, "over and over"),
        ("<your token>", "placeholder"),
        ("${OTHER_TOKEN}", "placeholder"),
        ("/run/secrets/x", "path"),
        ("~/.config/token", "path"),
        ("C:\\secrets\\x", "path"),
    ],
)
def test_values_that_are_not_searched_for(value, why):
    """A value that would be found by chance is told of by its variable's name, and never shown."""
    found = secrets_at_hand({"API_TOKEN": value})
    assert found.secrets == ()
    [sentence] = found.ignored
    assert sentence.startswith("API_TOKEN is not searched for: ")
    assert sentence.endswith(".")
    assert why in sentence
    assert not value or value not in sentence


def test_a_secret_that_begins_like_a_path():
    """Base64 may begin with a slash."""
    value = "/9j4AAQSkZJRg" + "ABAQEASABIAAD"
    assert secrets_at_hand({"API_TOKEN": value}).secrets == (Secret("API_TOKEN", value),)


def test_a_private_key_counts_by_its_lines(made):
    """A key counts as a whole, and by its long lines, which are there as well where it is indented; not its marks."""
    lines = [made.letters(64, seed=seed) for seed in range(3)]
    marks = ["-----BEGIN " + "PRIVATE KEY-----", "-----END " + "PRIVATE KEY-----"]
    value = "\n".join([marks[0], *lines, marks[1]])
    whole, *parts = secrets_at_hand({"SNOWFLAKE_KEY": f"{value}\n"}).secrets
    assert whole == Secret("SNOWFLAKE_KEY", value)
    assert [part.value for part in parts] == lines
    assert parts[0].what == "a line of the value of SNOWFLAKE_KEY"


def test_what_all_keys_of_openssh_begin_with_is_no_secret(made):
    """The first line of OpenSSH's keys is the same in all of them."""
    first = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW"
    other = made.letters(70)
    assert [part.value for part in secrets_at_hand({"A_KEY": f"{first}\n{other}"}).secrets[1:]] == [other]


def test_the_fields_of_a_document(made):
    """Of a JSON document the fields count that are named like secrets."""
    key = made.letters(40)
    document = {"type": "service_account", "private_key": key, "auth_uri": "https://accounts.shop.net/auth"}
    _, part = secrets_at_hand({"GOOGLE_CREDENTIALS": json.dumps(document)}).secrets
    assert (part.value, part.what) == (key, "a field of the value of GOOGLE_CREDENTIALS")


def test_equal_values_are_told_of_once():
    """Two variables with one value are one secret."""
    assert [secret.name for secret in secrets_at_hand({"B_TOKEN": VALUE, "A_TOKEN": VALUE}).secrets] == ["A_TOKEN"]


def test_values_are_not_shown():
    """The representation of a secret does not have its value."""
    assert VALUE not in repr(secrets_at_hand({"A_TOKEN": VALUE}))


def test_a_value_of_any_bytes():
    """A value that is no UTF-8 is a secret as well."""
    assert len(secrets_at_hand({"A_TOKEN": "\udcff\udcfe" + VALUE}).secrets) == 1
