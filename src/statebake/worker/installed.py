"""Run by path in an interpreter that may be the project's: prints which of the named distributions it has, one a line.

It needs Python 3.8, and fails on an older one.
"""

import sys


def main() -> None:
    """Do it; the names are the arguments."""
    sys.path[:] = sys.path[1:]  # this directory, in which nothing else is to be imported from
    from importlib.metadata import PackageNotFoundError, distribution

    for name in sys.argv[1:]:
        try:
            distribution(name)
        except PackageNotFoundError:
            continue
        print(name)


if __name__ == "__main__":
    main()
