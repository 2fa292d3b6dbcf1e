"""How the components of one key differ: what of it a fetch reads, and what stays in the process."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from statebake.runtime.templating import UnsetEnv
from statebake.worker.attributes import add_differences, differences, same


class Base:
    """Fetches by what a helper of its own says."""

    @property
    def address(self) -> str:
        return f"{self.url}/{self.limit()}"

    def limit(self) -> str:
        return "all"


@dataclass
class Source(Base):
    """Its fetch reads `url` through a property, `token` directly, and `page` through a method."""

    url: str = "https://x"
    token: Any = ""
    page: int = 1
    select: str = "*"
    translation: Any = None
    defs_state: Any = None

    @functools.cached_property
    def client(self) -> object:
        return object()

    def limit(self) -> str:
        return f"{super().limit()} {self.page}"

    async def write_state_to_path(self, state_path: Path) -> None:
        """Mentions select and self.select only here."""

        def write() -> None:
            state_path.write_text(f"{self.address} {self.token}")

        write()

    def build_defs_from_state(self) -> str:
        return self.select


class Renamed(Source):
    """Another class with the same fetch."""

    def build_defs_from_state(self) -> str:
        return self.translation


class Other(Source):
    """Another fetch."""

    def write_state_to_path(self, state_path: Path) -> None:
        state_path.write_text(self.url)


class Opaque(Source):
    """Its fetch hands the whole component on."""

    def write_state_to_path(self, state_path: Path) -> None:
        state_path.write_text(json.dumps(vars(self)))


class Unseen(Source):
    """Its fetch has no source that can be read."""


exec("def write_state_to_path(self, state_path): state_path.write_text(self.url)", unseen := {})
Unseen.write_state_to_path = unseen["write_state_to_path"]


class Plain:
    """A class without declared fields."""

    def __init__(self, url: str) -> None:
        self._url = url

    def write_state_to_path(self, state_path: Path) -> None:
        state_path.write_text(self._url)


def test_equal_components():
    """Components with equal attributes do not differ, whatever they have worked out so far."""
    one, other = Source(token=["a", {"b": Path("/x")}]), Source(token=["a", {"b": Path("/x")}])
    assert one.client is not other.client
    assert differences(one, other) == ([], [])


@pytest.mark.parametrize("name", ["url", "token", "page"])
def test_what_the_fetch_reads(name):
    """An attribute that the fetch reads, itself or through what it calls on the component, is named."""
    assert differences(Source(), Source(**{name: 7})) == ([name], [])


@pytest.mark.parametrize("name", ["select", "translation", "defs_state"])
def test_what_the_fetch_does_not_read(name):
    """What only building definitions reads, or only the state's place depends on, makes no difference."""
    assert differences(Source(), Source(**{name: "x"})) == ([], [])


@pytest.mark.parametrize("cls", [Opaque, Unseen])
def test_where_nobody_can_tell(cls):
    """Where the component goes elsewhere, or the code cannot be seen, the fetch may read any attribute."""
    assert differences(cls(), cls(select="x")) == ([], ["select"])


def test_other_classes():
    """A subclass with the same fetch is no other component; one with another fetch may be."""
    assert differences(Source(), Renamed(select="x")) == ([], [])
    assert differences(Source(), Other()) == ([], ["type"])
    assert differences(Source(), Other(token="x")) == (["token"], ["type"])


def test_a_class_without_fields():
    """Of a plain class, the attributes of the instance are compared."""
    assert differences(Plain("a"), Plain("a")) == ([], [])
    assert differences(Plain("a"), Plain("b")) == (["_url"], [])


def test_variables_that_are_not_set():
    """The same variable is the same value, set or not; what raises at every use does not raise here."""
    one, other = (UnsetEnv("TOKEN", "token", where) for where in ("a.yaml:1", "b.yaml:1"))
    assert differences(Source(token=one), Source(token=other)) == ([], [])
    assert differences(Source(token=one), Source(token=UnsetEnv("OTHER", "token", "a"))) == (["token"], [])
    assert differences(Source(token=one), Source(token="x")) == (["token"], [])


def test_paths(tmp_path):
    """Two ways to write one place are one place; other texts are compared as they are."""
    (tmp_path / "link").symlink_to(tmp_path / "dbt")
    assert same(f"{tmp_path}/a/../dbt", f"{tmp_path}/link")
    assert same(Path(f"{tmp_path}/a/../dbt"), tmp_path / "dbt")
    assert not same(f"{tmp_path}/dbt", f"{tmp_path}/other")
    assert not same("a/../dbt", "dbt")
    assert not same(1, True)


def test_values_that_cannot_be_compared():
    """Objects count by what is in them; one that refuses to be compared is another one."""

    class Box:
        def __init__(self, value: object) -> None:
            self.value = value

    class Refuses:
        def __eq__(self, other: object) -> bool:
            raise RuntimeError("no")

        __hash__ = None

    def translation(value: object) -> Any:
        return lambda: value

    endless, other_endless = [1], [1]
    endless += [endless, endless, other_endless]
    other_endless += [other_endless, endless, other_endless]
    assert differences(Source(token=Box(1)), Source(token=Box(1))) == ([], [])
    assert differences(Source(token=Box(1)), Source(token=Box(2))) == (["token"], [])
    assert differences(Source(token=translation(1)), Source(token=translation(1))) == ([], [])
    assert differences(Source(token=translation(1)), Source(token=translation(2))) == (["token"], [])
    assert differences(Source(token=Refuses()), Source(token=Refuses())) == (["token"], [])
    assert differences(Source(token=endless), Source(token=other_endless)) == ([], [])
    assert differences(Source(token=endless), Source(token=[*other_endless, 2])) == (["token"], [])


def test_each_is_compared_with_the_first():
    """Of the components of one key, each later one says how it differs from the first; no value is said."""

    @dataclass
    class Text:
        text: str
        notes: list[str] = field(default_factory=list)

        def write_state_to_path(self, state_path: Path) -> None:
            state_path.write_text(self.text)

    found = [{"key": key} for key in ("a", "b", "a", "a")]
    add_differences(zip([Text("s3cret"), Text("x"), Text("s3cret", ["y"]), Text("other")], found, strict=True))
    assert found == [
        {"key": "a"},
        {"key": "b"},
        {"key": "a", "differs": [], "may_differ": []},
        {"key": "a", "differs": ["text"], "may_differ": []},
    ]
