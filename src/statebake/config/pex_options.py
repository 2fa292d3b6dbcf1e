"""Options of the ``pex`` command among which something stands that is none.

Which options take a value is pex's matter, and changes; only what cannot be the value of an option is told.
"""

from __future__ import annotations

from collections.abc import Sequence

FLAGS = frozenset(
    {
        *("--build", "--build-isolation", "--compile", "--compress", "--docs", "--emit-warnings", "--help"),
        *("--ignore-errors", "--include-tools", "--intransitive", "--pre", "--pre-install-wheels", "--prefer-binary"),
        *("--pypi", "--resolve-local-platforms", "--sh-boot", "--strip-pex-env", "--transitive", "--use-pep517"),
        *("--use-pip-config", "--use-system-time", "--validate-entry-point", "--venv-copies"),
        *("--venv-site-packages-copies", "--venv-system-site-packages", "--wheel", "-V", "-h", "-v"),
        *("--no-build", "--no-compile", "--no-compress", "--no-index", "--no-pre-install-wheels", "--no-pypi"),
        *("--no-strip-pex-env", "--no-transitive", "--no-use-pip-config", "--no-wheel", "--no-build-isolation"),
    }
)
"""Options that take no value, in every pex that there is."""


def no_option(arguments: Sequence[str]) -> str | None:
    """Return the first argument that is neither an option nor can be the value of one: a requirement, or ``--``.

    ``@FILE`` is a file of options.
    """
    may_be_value = False
    for argument in arguments:
        is_option = argument.startswith("-") and argument != "--"
        if not is_option and not may_be_value and not argument.startswith("@"):
            return argument
        may_be_value = is_option and argument not in FLAGS and _is_bare(argument)
    return None


def _is_bare(option: str) -> bool:
    """Return whether the value of an option does not stand in the same argument."""
    return "=" not in option if option.startswith("--") else len(option) == 2
