"""Files that should not ship, told by their names."""

from __future__ import annotations

from fnmatch import fnmatchcase

_DIRECTORIES = {
    ".git": "a git checkout",
    ".hg": "a Mercurial checkout",
    ".svn": "a Subversion checkout",
    ".venv": "a virtual environment",
    ".ssh": "a directory of SSH keys",
    ".aws": "a directory of AWS credentials",
}
_FILES = {
    ".env": "a file of variables",
    ".env.*": "a file of variables",
    ".envrc": "a file of variables",
    ".user.yml": "dbt's number of this user",
    ".netrc": "a file of passwords",
    ".pgpass": "a file of passwords",
    ".git-credentials": "a file of passwords",
    ".pypirc": "a file of passwords",
    ".htpasswd": "a file of passwords",
    "*.pem": "a key or certificate",
    "*.p12": "a key",
    "*.pfx": "a key",
    "*.jks": "a key",
    "id_rsa": "an SSH key",
    "id_dsa": "an SSH key",
    "id_ecdsa": "an SSH key",
    "id_ed25519": "an SSH key",
}
_EXAMPLES = (".env.example", ".env.sample", ".env.template", ".env.dist")
# What the root certificates of a system or of a package are in; keys are found by their content.
_CERTIFICATES = ("cacert.pem", "cert.pem", "ca.pem", "roots.pem", "ca-certificates.pem")
_WHITEOUT = ".wh."  # in a layer of an image: the file of this name is gone
_SYSTEM = ("etc/ssl/", "usr/share/ca-certificates/", "usr/lib/ssl/")

SCRUBBED = (
    *_FILES,
    *(f"!{name}" for name in (*_EXAMPLES, *_CERTIFICATES)),
    *(f"{name}/" for name in _DIRECTORIES if name != ".git"),
)
"""The patterns, in gitignore syntax, of what a scrub leaves out. A checkout stays: its remotes are scrubbed."""


def unwanted(path: str) -> str | None:
    """Return what a file is that should not ship, in words, and where its directory says so the directory.

    ``path`` is ``/``-separated. A directory is named by the first of the files in it: of ``a/.git/config`` the answer
    is ``a git checkout``. ``None``: nothing is wrong with the name.
    """
    *parents, name = path.split("/")
    for parent in parents:
        if parent in _DIRECTORIES:
            return _DIRECTORIES[parent]
    if name == ".git":
        return "a link to a git checkout"
    if name in _EXAMPLES or name.startswith(_WHITEOUT):
        return None
    for pattern, what in _FILES.items():
        if fnmatchcase(name, pattern):
            return None if pattern == "*.pem" and _is_certificate(path, name) else what
    return None


def unwanted_root(path: str) -> str:
    """Return the path of the unwanted directory that ``path`` is in, or ``path`` itself."""
    parts = path.split("/")
    for depth, part in enumerate(parts[:-1], 1):
        if part in _DIRECTORIES:
            return "/".join(parts[:depth]) + "/"
    return path


def _is_certificate(path: str, name: str) -> bool:
    place = path.rpartition("!")[2]
    return name in _CERTIFICATES or place.startswith(_SYSTEM)
