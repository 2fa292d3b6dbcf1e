"""Text that somebody else chose: what breaks formats, terminals and CI systems."""

from __future__ import annotations

from hypothesis import strategies as st

PIECES = (
    *("::error::x", "::set-env name=A::b", "##[add-mask]x", "##[", "::", "%0A::error::x", "%25", "%"),
    *("\n", "\r", "\r\n", "\t", " ", "\x00", "\x1b[31m", "\x1b]0;title\x07", "\x9b2J", "\x7f", "\x85", "\u2028"),
    *("\u202e", "\ufeff", "\ufffe", "\uffff", "\udc80", "😀"),
    *("<script>alert(1)</script>", "</code>", "]]>", "<!--", "&amp;", "&#0;", '"', "'", "<", ">"),
    *(
        "|",
        "`",
        "``",
        "\\",
        "\\|",
        "**x**",
        "[a](http://b)",
        "{0}",
        "{{x}}",
        "$x$",
        "@you",
        "#1",
        "www.x.example",
        "- ",
    ),
    *("https://x.example/y", "a/b.yaml:3", "../../x", "/", ":", ",", "=", "C:\\x", "Text[a]"),
)


def hostile() -> st.SearchStrategy[str]:
    """Return any text, mostly made of what is dangerous."""
    return st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=8).map("".join)
