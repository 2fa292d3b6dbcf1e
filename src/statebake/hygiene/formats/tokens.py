"""Tokens of well-known services, which have a prefix of their own; sources are the services' documents.

Every anchor costs as much as a form of a secret, so that they are as few as may be: the frequent kinds of each service.
"""

from __future__ import annotations

import base64
import json
import re

from statebake.hygiene.formats.base import END, START, Rule, is_random

# Keys of emulators and of documents, which everybody has.
_KNOWN_KEYS = (b"Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq",)
_PYJWT_EXAMPLE = {"some": "payload"}
_LONGEST_JWT_HEADER = 2048


def _rule(id_: str, what: str, anchors: tuple[str, ...], pattern: bytes, before: int = 0) -> Rule:
    return Rule(id_, what, tuple(anchor.encode() for anchor in anchors), re.compile(pattern), before)


def _is_account_key(value: bytes) -> bool:
    return is_random(value) and not any(known in value for known in _KNOWN_KEYS)


def _is_jwt(value: bytes) -> bool:
    """Return whether a value is a signed JSON Web Token (RFC 7519), and none that documents show."""
    header, payload = (_json_part(part) for part in value.split(b".")[:2])
    if "alg" not in header:
        return False
    return not (payload.get("name") == "John Doe" or payload.get("sub") == "1234567890" or payload == _PYJWT_EXAMPLE)


def _json_part(part: bytes) -> dict[str, object]:
    try:
        document = json.loads(base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


TOKENS = (
    _rule(
        "github-token",
        "a GitHub token",
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"),
        START + rb"gh[pousr]_[A-Za-z0-9]{36,251}" + END,
    ),
    _rule(
        "github-token",
        "a GitHub token",
        ("github_pat_",),
        START + rb"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}" + END,
    ),
    _rule(
        "gitlab-token",
        "a GitLab token",
        ("glpat-", "gldt-", "glrt-", "glptt-"),
        START + rb"gl[a-z]{2,5}-[A-Za-z0-9_.-]{20,300}",
    ),
    _rule("aws-access-key-id", "an AWS access key", ("AKIA", "ASIA"), START + rb"A[KS]IA[A-Z0-9]{16}" + END),
    _rule(
        "slack-token",
        "a Slack token",
        ("xox", "xapp-"),
        START + rb"(?:xox[a-z](?:\.xox[bp])?-\d[0-9A-Za-z-]{22,400}|xapp-\d-[A-Z0-9]{8,}-\d{8,}-[A-Za-z0-9]{32,100})",
    ),
    _rule(
        "slack-webhook",
        "a Slack webhook",
        ("hooks.slack.com",),
        rb"hooks\.slack\.com\\?/(?:services|workflows|triggers)\\?/[A-Z0-9]{8,}\\?/[A-Z0-9]{8,}\\?/[A-Za-z0-9]{16,}",
    ),
    _rule("stripe-key", "a Stripe key", ("k_live_",), START + rb"[sr]k_live_[A-Za-z0-9]{20,250}", 1),
    _rule("stripe-key", "a Stripe key", ("whsec_",), START + rb"whsec_[A-Za-z0-9]{20,250}"),
    _rule("google-api-key", "a Google API key", ("AIza",), START + rb"AIza[0-9A-Za-z_-]{35}(?![0-9A-Za-z_-])"),
    _rule(
        "google-oauth",
        "a Google OAuth secret",
        ("GOCSPX-", "ya29."),
        rb"(?:GOCSPX-[\w-]{28}|ya29\.[\w-]{60,1000})(?![\w-])",
    ),
    Rule(
        "jwt",
        "a JSON Web Token",
        (b".eyJ",),
        re.compile(rb"eyJ[A-Za-z0-9_-]{10,%d}\.eyJ[A-Za-z0-9_-]{8,4096}\.[A-Za-z0-9_-]{20,1024}" % _LONGEST_JWT_HEADER),
        _LONGEST_JWT_HEADER + 8,
        b"eyJ",
        _is_jwt,
    ),
    _rule("npm-token", "an npm token", ("npm_",), START + rb"npm_[A-Za-z0-9]{36}" + END),
    _rule("pypi-token", "a PyPI token", ("pypi-AgE",), rb"pypi-AgE[A-Za-z0-9_-]{60,1000}"),
    _rule("databricks-token", "a Databricks token", ("dapi",), START + rb"dapi[0-9a-f]{32}(?:-\d)?" + END),
    _rule("dbt-token", "a dbt Cloud token", ("dbtc_", "dbtu_"), START + rb"dbt[cu]_[A-Za-z0-9_-]{20,250}"),
    _rule(
        "digitalocean-token",
        "a DigitalOcean token",
        ("_v1_",),
        START + rb"do[por]_v1_[a-f0-9]{64}" + END,
        3,
    ),
    _rule("vault-token", "a Vault token", ("hvs.",), START + rb"hvs\.[A-Za-z0-9_-]{24,300}"),
    _rule("sendgrid-key", "a SendGrid key", ("SG.",), START + rb"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}(?![\w-])"),
    Rule(
        "openai-key",
        "an OpenAI key",
        (b"T3BlbkFJ",),
        re.compile(rb"sk-[A-Za-z0-9_-]{16,160}T3BlbkFJ[A-Za-z0-9_-]{16,160}"),
        192,
        b"sk-",
    ),
    _rule("anthropic-key", "an Anthropic key", ("sk-ant-",), rb"sk-ant-[a-z0-9]{3,12}-[A-Za-z0-9_-]{80,160}"),
    _rule("atlassian-token", "an Atlassian token", ("ATATT3",), rb"ATATT3[A-Za-z0-9_=-]{150,400}"),
    Rule(
        "azure-account-key",
        "the key of an Azure account",
        (b"AccountKey=", b"SharedAccessKey="),
        re.compile(rb"(?:AccountKey|SharedAccessKey)=(?:[A-Za-z0-9+/]{86}==|[A-Za-z0-9+/]{43}=)"),
        judge=_is_account_key,
    ),
    _rule(
        "azure-client-secret",
        "an Azure client secret",
        ("Q~",),
        START + rb"[A-Za-z0-9_~.]{3}\dQ~[A-Za-z0-9_~.-]{31,34}(?![A-Za-z0-9_~.-])",
        4,
    ),
    _rule("docker-token", "a Docker Hub token", ("dckr_",), rb"dckr_[po]at_[A-Za-z0-9_-]{27,60}"),
    _rule("huggingface-token", "a Hugging Face token", ("hf_",), START + rb"hf_[A-Za-z0-9]{34,40}" + END),
    _rule("grafana-token", "a Grafana token", ("glsa_",), START + rb"glsa_[A-Za-z0-9]{32}_[a-f0-9]{8}" + END),
    _rule("terraform-token", "a Terraform token", (".atlasv1.",), rb"[A-Za-z0-9]{14}\.atlasv1\.[\w-]{60,80}", 14),
    _rule("hubspot-token", "a HubSpot token", ("pat-na1-", "pat-eu1-"), START + rb"pat-[a-z]{2}1-[0-9a-f-]{36}" + END),
    _rule(
        "shopify-token",
        "a Shopify token",
        ("shpat_",),
        START + rb"shpat_[0-9a-fA-F]{32}" + END,
    ),
)
