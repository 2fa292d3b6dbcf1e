"""Options of the ``pex`` command: which there are among arguments, and what they are about.

Options change with pex. Only flags are listed as what they are: an option that is not known here may have a value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

FLAGS = frozenset(
    {
        *("-V", "-h", "-v", "--allow-pip-version-fallback", "--no-allow-pip-version-fallback", "--always-write-cache"),
        *("--binary", "--no-binary", "--build", "--no-build", "--build-isolation", "--no-build-isolation"),
        *("--compile", "--no-compile", "--compress", "--no-compress", "--compressed", "--no-compression"),
        *("--derive-sources-from-requirements-files", "--disable-cache", "--docs", "--emit-warnings"),
        *("--no-emit-warnings", "--enable-script-metadata", "--no-enable-script-metadata", "--force-pep517", "--help"),
        *("--help-html", "--help-variables", "--ignore-errors", "--include-tools", "--no-index", "--intransitive"),
        *("--native-runtime", "--no-native-runtime", "--non-hermetic-venv-scripts", "--not-compressed"),
        *("--not-zip-safe", "--pep723", "--no-pep723", "--pex-and-scie", "--pexrc", "--no-pexrc", "--pre", "--no-pre"),
        *("--pre-install-wheels", "--no-pre-install-wheels", "--prefer-binary", "--no-prefer-binary"),
        *("--prefer-wheel", "--no-prefer-wheel", "--pypi", "--no-pypi", "--rc", "--no-rc", "--record-git-state"),
        *("--no-record-git-state", "--resolve-local-platforms", "--scie-busybox-pex-entrypoint-env-passthrough"),
        *("--no-scie-busybox-pex-entrypoint-env-passthrough", "--scie-load-dotenv", "--no-scie-load-dotenv"),
        *("--scie-only", "--no-scie-only", "--scie-pbs-debug", "--no-scie-pbs-debug", "--scie-pbs-free-threaded"),
        *("--no-scie-pbs-free-threaded", "--scie-pbs-stripped", "--no-scie-pbs-stripped"),
        *("--scie-pex-entrypoint-env-passthrough", "--no-scie-pex-entrypoint-env-passthrough"),
        *("--scie-prompt-desktop-install", "--no-scie-prompt-desktop-install", "--scie-windowed", "--no-seed"),
        *("--sh-boot", "--no-sh-boot", "--strip-pex-env", "--no-strip-pex-env", "--transitive", "--no-transitive"),
        *("--unzip", "--no-unzip", "--no-use-binary", "--use-pep517", "--no-use-pep517", "--use-pip-config"),
        *("--no-use-pip-config", "--use-system-time", "--no-use-system-time", "--no-use-wheel"),
        *("--validate-entry-point", "--venv-copies", "--no-venv-copies", "--venv-site-packages-copies"),
        *("--no-venv-site-packages-copies", "--venv-system-site-packages", "--no-venv-system-site-packages"),
        *("--version", "--wheel", "--no-wheel", "--zip-safe"),
    }
)
"""Options that take no value."""
REQUIREMENTS = frozenset(
    {
        *("-r", "--requirement", "--requirements", "--with-requirements", "--constraint", "--constraints"),
        *("--override", "--project", "--group", "--dependency-group", "--requirements-pex"),
        *("--lock", "--pex-lock", "--pylock", "--pep-751-lock", "--pylock-extra", "--pylock-group"),
        *("--pylock-dependency-group", "--pex-repository", "--venv-repository"),
        *("--pre-resolved-dist", "--pre-resolved-dists"),
    }
)
"""Options that say what is resolved."""
INDEXES = frozenset(
    {
        *("-i", "--index", "--index-url", "--pypi", "--no-pypi", "--no-index", "-f", "--find-links", "--repo"),
        *("--source", "--pre", "--no-pre", "--build-isolation", "--no-build-isolation"),
        *("--use-pip-config", "--no-use-pip-config", "--pip-version", "--resolver-version", "--extra-pip-requirement"),
        *("--keyring-provider", "--cert", "--client-cert", "--proxy", "--timeout", "--retries", "--resume-retries"),
    }
)
"""Options that say where from, and how, something is resolved that is no dependency of the project."""
_OUTPUT = "--output-file"
_SHORTEST_OUTPUT = "--ou"  # pex takes the beginning of a name for it; `--o` could be `--override`


def no_option(arguments: Sequence[str]) -> str | None:
    """Return the first argument that is neither an option nor can be the value of one: a requirement, or ``--``."""
    return next((words[0] for name, words in _options(arguments) if not name), None)


def output_option(arguments: Sequence[str]) -> str | None:
    """Return the first option that says which file to write, as it is spelled."""
    return next((words[0] for name, words in _options(arguments) if name == "-o" or _is_output(name)), None)


def with_files(arguments: Sequence[str], read: Callable[[str], Sequence[str]]) -> list[str]:
    """Return the arguments with what ``read`` gives for each file of options in the place of its ``@FILE``."""
    return [word for name, words in _options(arguments) for word in (read(words[0][1:]) if name == "@" else words)]


def without_requirements(arguments: Sequence[str]) -> list[str]:
    """Return the arguments without those that say what is resolved."""
    return [word for name, words in _options(arguments) if name not in REQUIREMENTS for word in words]


def about_indexes(arguments: Sequence[str]) -> list[str]:
    """Return the arguments that say where from, and how, something is resolved."""
    return [word for name, words in _options(arguments) if name in INDEXES for word in words]


def _options(arguments: Sequence[str]) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield every option by its name, with the words that it takes: itself and its value.

    The name is ``@`` for a file of options, and empty for what is no option.
    """
    at = 0
    while at < len(arguments):
        name, may_take_next = _read(arguments[at])
        count = 2 if may_take_next and not _begins_option(arguments[at + 1 : at + 2]) else 1
        yield name, arguments[at : at + count]
        at += count


def _is_output(name: str) -> bool:
    return name.startswith(_SHORTEST_OUTPUT) and _OUTPUT.startswith(name)


def _begins_option(words: Sequence[str]) -> bool:
    return any(word.startswith("-") and word != "-" for word in words)


def _read(argument: str) -> tuple[str, bool]:
    """Return the name of an option, and whether the next argument may be its value."""
    if argument == "--" or not _begins_option([argument]):
        return argument[:1] if argument.startswith("@") else "", False
    if argument.startswith("--"):
        name, has_value, _ = argument.partition("=")
        return name, not has_value and name not in FLAGS
    while len(argument) > 2 and argument[:2] in FLAGS:  # `-vr FILE` is `-v -r FILE`
        argument = f"-{argument[2:]}"
    return argument[:2], len(argument) == 2 and argument not in FLAGS
