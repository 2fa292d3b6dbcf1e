"""``.gitlab-ci.yml``: what it includes, and what is told where a line cannot be added."""

from __future__ import annotations

import pytest

from statebake.setup.gitlab import include, included_files, rival_of, stage_of
from statebake.setup.notes import Note

PATH = ".gitlab/statebake.yml"
LINE = "- local: /.gitlab/statebake.yml"
HEADER = "spec:\n  inputs:\n    x:\n---\n"


@pytest.mark.parametrize(
    "value",
    [
        " .gitlab/statebake.yml",
        " /.gitlab/statebake.yml",
        " '.gitlab/statebake.yml'",
        " {local: .gitlab/statebake.yml}",
        "\n  local: /.gitlab/statebake.yml",
        " [.gitlab/statebake.yml]",
        " [other.yml, /.gitlab/statebake.yml]",
        "\n  - https://example.org/x.yml\n  - .gitlab/statebake.yml",
        "\n  - template: x\n  - local: .gitlab/statebake.yml",
        "\n  - local: /.gitlab/statebake.yml\n    rules:\n      - if: $X",
        " '.gitlab/*.yml'",
        " '/.gitlab/*.yml'",
        "\n  - local: .gitlab/statebake*",
        " '**.yml'",
        " '**/*.yml'",
        " &x ['.gitlab/**.yml']\nother: *x",
    ],
)
@pytest.mark.parametrize("header", ["", HEADER, "---\n"])
def test_included(value, header):
    """The file is included in every form that GitLab has, with a header before the pipeline or not."""
    text = f"{header}a: 1\ninclude:{value}\n"
    assert include(text, PATH) == text


@pytest.mark.parametrize(
    "value",
    [
        " other.yml",
        " .gitlab/statebake-north.yml",
        " x/.gitlab/statebake.yml",
        " '*.yml'",
        " '.gitlab/*/*.yml'",
        " '.gitlab/**/*.yml'",
        " .gitlab/state?ake.yml",
        "\n  - project: x\n    file: /.gitlab/statebake.yml",
        "\n  - remote: https://example.org/.gitlab/statebake.yml",
        "\n  - local: [.gitlab/statebake.yml]",
        "\n  local: 3",
        "",
    ],
)
def test_not_included(value):
    """What names another file, or one elsewhere, does not include it."""
    assert include(f"include:{value}\na: 1\n", PATH) == Note(
        f"Add this to `include` in .gitlab-ci.yml: {LINE}", to_do=True
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "a: 1\nb: [\n",
            ".gitlab-ci.yml:2 cannot be read as YAML: expected the node content, but found '<stream end>'.",
        ),
        (
            "a: 1\n\tb: 2\n",
            ".gitlab-ci.yml:2 cannot be read as YAML: found character '\\t' that cannot start any token.",
        ),
        ("a: 1\n\nb: \x00\n", ".gitlab-ci.yml:3 cannot be read as YAML: special characters are not allowed."),
        ("a: *b\n", ".gitlab-ci.yml:1 cannot be read as YAML: found undefined alias 'b'."),
        ("[" * 5000, ".gitlab-ci.yml:1 cannot be read as YAML: it is nested too deeply."),
        ("# mine\n- a\n", ".gitlab-ci.yml:2 is no mapping of keywords and jobs, as GitLab wants it."),
        ("a: 1\n---\nb: 1\n", ".gitlab-ci.yml:3 begins a second document, and the first one is no header:"),
        (f"{HEADER}a: 1\n---\nb: 1\n", ".gitlab-ci.yml:7 begins document 3, and GitLab reads two:"),
    ],
)
def test_what_gitlab_could_not_read(text, said):
    """A file that GitLab could not read either is told as what it is, with its line and the line to add."""
    note = include(text, PATH)
    assert isinstance(note, Note)
    assert note.to_do
    assert note.text.startswith(said)
    assert note.text.endswith(f" Mend that, and add this to its `include`: {LINE}")
    assert stage_of(text) is None


def test_behind_a_header():
    """Behind a header the document is named that the line belongs into, and its stages are the pipeline's."""
    note = include(f"{HEADER}stages: [build]\n", PATH)
    place = ".gitlab-ci.yml, in the document that begins at line 5, behind the header"
    assert note == Note(f"Add this to `include` in {place}: {LINE}", to_do=True)
    assert stage_of(f"{HEADER}stages: [build]\n") == "build"
    assert stage_of("stages: [test]\n---\nstages: [build]\n") is None


def test_an_empty_document():
    """A line that only begins a document is none of its own."""
    assert include("---\n", PATH) == f"---\n\ninclude:\n  {LINE}\n"


@pytest.mark.parametrize("text", ["a: 1\n---\n", "---\na: 1\n\n---\n# more\n", "a: 1\n---\n...\n---\n"])
def test_behind_the_pipeline(text):
    """Where a document ends before the file does, a line at the end is none of it, and the note says so."""
    number = text.splitlines().index("a: 1") + 1
    place = f".gitlab-ci.yml, in the document that begins at line {number} and ends before the file does"
    assert include(text, PATH) == Note(f"Add this to `include` in {place}: {LINE}", to_do=True)


def test_included_by_another_file():
    """A file that the pipeline includes may be the one with the line."""
    text = "include: ci/all.yml\n"
    assert isinstance(include(text, PATH, ["a: 1\n", "- no mapping\n", "b: [\n"]), Note)
    assert include(text, PATH, ["a: 1\n", f"include:\n  {LINE}\n"]) == text


@pytest.mark.parametrize("value", ["&x\n  - *x\n  - [*x, b.yml, *x]\n  - /a.yml", "[b.yml, &x [/a.yml, *x], *x]"])
def test_aliases(value):
    """A list may be an item of its own: what it names counts once, in its order."""
    text = f"include: {value}\n"
    assert included_files(text) == ["b.yml", "a.yml"]
    assert isinstance(include(text, PATH), Note)
    assert include(text, "a.yml") == text


@pytest.mark.parametrize(
    "merge",
    ["<<: *a", "<<: [*a]", "<<: [{}, *a]", "<<: {<<: *a}", "<<: {}\n<<: *a", "'<<': *a", "<<: [*a, {include: x}]"],
)
@pytest.mark.parametrize("more", ["", "b: 1\n"])
def test_merged_into_the_pipeline(merge, more):
    """An ``include`` that a merge key brings counts as one: a second one would take its place."""
    text = f".a: &a\n  include: /z.yml\n  stages: [build]\n{merge}\n{more}"
    assert include(text, PATH) == Note(f"Add this to `include` in .gitlab-ci.yml: {LINE}", to_do=True)
    assert include(text, "z.yml") == text
    assert included_files(text) == ["z.yml"]
    assert stage_of(text) is None


def test_a_merge_without_an_include():
    """What else is merged is no reason not to add the line, and its stages are the pipeline's."""
    text = ".a: &a\n  stages: [build]\n<<: *a\n"
    assert include(text, PATH) == f"{text}\ninclude:\n  {LINE}\n"
    assert stage_of(text) == "build"
    job = ".a: &a\n  statebake: {script: [x]}\n<<: *a\n"
    assert rival_of(job, "statebake", merged=False).text.startswith(".gitlab-ci.yml:2 has a job")


def test_merged_into_itself():
    """A mapping that is merged into itself, or many times over, is read once; so is a long chain of them."""
    assert included_files("&a\ninclude: z.yml\n<<: *a\n") == ["z.yml"]
    chain = "".join(f"x{n}: &x{n} {{<<: [*x{n - 1}, *x{n - 1}]}}\n" for n in range(1, 2000))
    assert included_files(f"x0: &x0 {{include: z.yml}}\n{chain}<<: *x1999\n") == ["z.yml"]


def test_aliases_of_aliases():
    """A short text whose aliases stand for more items than could be read is read."""
    lists = "".join(f"x{n}: &x{n} [*x{n - 1}, *x{n - 1}]\n" for n in range(1, 100))
    assert included_files(f"x0: &x0 a.yml\n{lists}include: *x99\n? *x99\n: 1\n") == ["a.yml"]
