"""Secrets that no scanner takes for real ones, and short ways to search."""

from __future__ import annotations

import io
import random
import string
import tarfile
import zipfile

import pytest

from statebake.hygiene.search import Hit, Searcher
from statebake.hygiene.secrets import Secret

LETTERS = string.ascii_letters + string.digits


class Made:
    """Makes values at run time, so that no file of this repository has what looks like a secret."""

    def letters(self, count: int, signs: str = LETTERS, seed: int = 1) -> str:
        return "".join(random.Random(seed).choices(signs, k=count))

    def secret(self, name: str = "DB_PASSWORD", count: int = 20, seed: int = 7) -> Secret:
        return Secret(name, self.letters(count, seed=seed))

    def tar(self, files: dict[str, bytes], **options) -> bytes:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", **options) as archive:
            for name, content in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        return out.getvalue()

    def zip(self, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", method) as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return out.getvalue()


class Searching:
    """Searches bytes."""

    def __init__(self) -> None:
        self.unread: list[str] = []

    def __call__(self, data: bytes, *secrets: Secret, path: str = "a.txt", **options) -> list[Hit]:
        searcher = Searcher(secrets, **options)
        hits = list(searcher.search(path, io.BytesIO(data)))
        self.unread = searcher.unread
        return hits

    def places(self, data: bytes, *secrets: Secret, **options) -> list[tuple[str, int | None]]:
        return sorted((hit.path, hit.offset) for hit in self(data, *secrets, **options))


@pytest.fixture
def made() -> Made:
    return Made()


@pytest.fixture
def search() -> Searching:
    return Searching()
