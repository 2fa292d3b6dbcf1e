"""Reading the state in a wheel (PyPA specifications, "Binary distribution format"), without installing it."""

from __future__ import annotations

from statebake.verify.files import FileTree
from statebake.verify.reading import ReadFiles, read_tree


def wheel_of(tree: FileTree, size: int) -> ReadFiles:
    """Return what a wheel carries, by its files and its size in bytes.

    Raises ``StatebakeError``: ``NOT_AN_ARTIFACT`` for what is no wheel, ``BAD_RECORD``, ``NEWER_FORMAT``.
    """
    metadata = [name for name in tree.files if name.endswith(".dist-info/WHEEL") and name.count("/") == 1]
    if len(metadata) != 1:
        raise tree.refused("it has no WHEEL file" if not metadata else "it has several WHEEL files")
    if (record := metadata[0].replace("/WHEEL", "/RECORD")) not in tree.files:
        raise tree.refused(f"it has no {record}, without which it cannot be installed")
    data = metadata[0].removesuffix(".dist-info/WHEEL") + ".data"
    roots = ("", f"{data}/purelib", f"{data}/platlib")
    for root in roots[1:]:
        for path in tree.files:
            if path.startswith(f"{root}/") and (twice := path.removeprefix(f"{root}/")) in tree.files:
                raise tree.refused(f"it has {twice!r} twice, also in {root}: where it is installed only one is left")
    return read_tree("wheel", tree, size=size, roots=roots, one_directory=True, merges=True)
