"""The local version that tells which state a wheel has."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import parse_wheel_filename
from packaging.version import Version

from statebake.bake.wheel.version import LocalVersion, tells_state

DIGEST = "0a1b2c3d4e5f" + "9" * 52
LABEL = LocalVersion.of_state(DIGEST)


@given(digest=st.text("0123456789abcdef", min_size=64, max_size=64) | st.text(string.digits, min_size=64, max_size=64))
def test_every_digest(digest):
    """Whatever the digest is, the version is written as every tool writes it, and comes after the plain one."""
    for plain in ("1.2.dev3", "1+ubuntu.1"):
        version = LocalVersion.of_state(digest).of(plain)
        assert str(Version(version)) == version
        assert Version(version) > Version(plain)
        assert LocalVersion.of_state(digest).of(version) == version
        assert tells_state(f"Version: {version}\n".encode())
        assert not tells_state(f"Version: {plain}\n".encode())
    label = LocalVersion.of_state(digest).label.removeprefix("state.")
    assert label.zfill(12) == digest[:12]


def test_names():
    """The names of the file and of the directories get the label, and nothing else does."""
    assert LABEL.file_name("shop-1-py3-none-any.whl") == "shop-1+state.0a1b2c3d4e5f-py3-none-any.whl"
    assert LABEL.file_name("shop-1+a-2b-py3-none-any.whl") == "shop-1+a.state.0a1b2c3d4e5f-2b-py3-none-any.whl"
    name, version, build, _ = parse_wheel_filename(LABEL.file_name("a_b-1.0-3-cp311-cp311-linux_x86_64.whl"))
    assert (name, str(version), build) == ("a-b", "1.0+state.0a1b2c3d4e5f", (3, ""))
    assert LABEL.path("shop-1.dist-info/licenses/a", "shop-1") == "shop-1+state.0a1b2c3d4e5f.dist-info/licenses/a"
    assert LABEL.path("shop-1+a.data/purelib/x", "shop-1+a") == "shop-1+a.state.0a1b2c3d4e5f.data/purelib/x"
    assert LABEL.path("shop-1.dist-info/", "shop-1") == "shop-1+state.0a1b2c3d4e5f.dist-info/"
    for path in ("shop/a.py", "shop/x-1.dist-info/METADATA", "shop.py", "a.dist-infos/b"):
        assert LABEL.path(path, "shop-1") == path
    assert LABEL.sdist_name("my-shop-1.tar.gz") == "my-shop-1+state.0a1b2c3d4e5f.tar.gz"
    for name in ("shop.tar.gz", "shop-1.zip"):
        with pytest.raises(ValueError, match="has no version"):
            LABEL.sdist_name(name)
    for name in ("shop.whl", "shop-1.whl", "a-b-c-d-e-f-g.whl"):
        with pytest.raises(ValueError, match="has no version"):
            LABEL.file_name(name)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_metadata(end):
    """Only the header changes, also where the description has a line like it."""
    lines = ["Metadata-Version: 2.4", "Name: shop", "{}", "Requires-Dist: version: 1", "", "Version: 7", ""]
    text = end.join(lines)
    made = LABEL.metadata(text.format("Version: 1").encode()).decode()
    assert made == text.format("Version: 1+state.0a1b2c3d4e5f")
    assert LABEL.metadata(text.format("version:1.0+a ").encode()).decode() == text.format(
        "version:1.0+a.state.0a1b2c3d4e5f "
    )
    for broken in (text.format("X: 1"), "", "Name: x"):
        with pytest.raises(ValueError, match="no Version"):
            LABEL.metadata(broken.encode())
