"""What a ``.dockerignore`` keeps out, compared with what the real engine is sent."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from statebake.bake.image.context import find_ignore_file, read_rules, walk_context
from statebake.bake.image.context_check import Required, find_losses, find_mending_lines
from statebake.bake.image.ignore_file import block_lines, merge_block
from statebake.bake.image.ignore_rules import parse_rules
from statebake.errors import StatebakeError
from support.image_plans import image_plan

pytestmark = pytest.mark.needs("docker")

DIRECTORIES = ["a", "b", ".a", "ab", "a.b", "!a", " a", "é", "[a]"]
NAMES = [*DIRECTORIES, ".b", "x{2}", "xx", "a|b", "*", "a b", "#a", "a]", "^a", "a1", "A", "]", "\\", "a\\b", "{", "}"]
GLOBS = r"""
    * ** ? *a a* ?a **a a** a**b *** .* *.* [ab] [^a] [!a] [a-c]* [*] [?] [[] [[:alpha:]] [[:^alpha:]]* [\]] [\d] [.]
    [{] [a-é]* [^\W] \* \a \d \w \W* \s* \ba \x61 \141 \Qa \[a\] \{a \.a a|b* ^* $* a{1}* x{2}* {2} a+* (a)*
    . .. \ [z-a] [a-
"""
PARTS = [*NAMES, *GLOBS.split(), *["a", "b", ".a"] * 6]
STATE = ".local_defs_state"
MOST_LAYERS = 100  # an engine on overlayfs has some more at most


def any_tree(chance: random.Random) -> list[str]:
    """Return the paths of some sixty files, none of them a directory of another."""
    paths = {
        "/".join(
            [*(chance.choice(DIRECTORIES) for _ in range(chance.choice([0, 1, 1, 2, 2, 3]))), chance.choice(NAMES)]
        )
        for _ in range(80)
    }
    directories = {path[:end] for path in paths for end, sign in enumerate(path) if sign == "/"}
    return sorted(paths - directories)


def any_rules(chance: random.Random) -> str:
    """Return some lines that are read; those that are refused are tried alone, for they stop a whole build."""
    lines: list[str] = []
    wanted = chance.randint(1, 6)
    while len(lines) < wanted:
        mark = chance.choice(["", "", "", "", "!", "!", "! ", "/", "./", "!/", " ", "  !", "#", "/!"])
        parts = "/".join(chance.choice(PARTS) for _ in range(chance.choice([1, 1, 2, 2, 3])))
        line = mark + parts + chance.choice(["", "", "", "", "/", "/**", "/*", " ", "\r", "/ /"]) + "\n"
        try:
            parse_rules(line)
        except StatebakeError:
            continue
        lines.append(line)
    return "".join(lines)


def make(context: Path, rules: str, files: Sequence[str]) -> Path:
    """Write files, each with its own path in it, and the rules."""
    for file in files:
        path = context / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file, encoding="utf-8")
    (context / ".dockerignore").write_bytes(rules.encode())
    return context


def whole_files(root: Path) -> set[str]:
    """Return the files that arrived with what was in them; one that arrived empty is lost."""
    found = {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}
    return {name for name, path in found.items() if path.read_text(encoding="utf-8") == name}


def sent(docker, place: Path, contexts: Mapping[str, Path]) -> dict[str, set[str]]:
    """Return what of each context the engine is sent, in few builds: every context has rules of its own."""
    names = list(contexts)
    found: dict[str, set[str]] = {}
    for start in range(0, len(names), MOST_LAYERS):
        build = place / f"build{start}"
        build.mkdir()
        batch = names[start : start + MOST_LAYERS]
        steps = "".join(f"COPY --from={name} . /{name}/\n" for name in batch)
        (build / "Dockerfile").write_text(f"FROM scratch\n{steps}")
        named = [f"--build-context={name}={contexts[name]}" for name in batch]
        out = build / "out"
        docker.run("buildx", "build", "--quiet", *named, f"--output=type=local,dest={out}", build).ok()
        found |= {name: whole_files(out / name) - {".dockerignore"} for name in batch}
    return found


def test_any_rules_keep_out_what_they_keep_out_of_the_engine(docker, tmp_path):
    """For hundreds of rule sets and trees the files that are sent are those that we say, as whole sets."""
    cases = {}
    for number in range(200):
        chance = random.Random(number)
        cases[f"case{number}"] = (any_rules(chance), any_tree(chance))
    contexts = {name: make(tmp_path / name, *case) for name, case in cases.items()}
    said = {
        name: {file.path for file in walk_context(context, parse_rules(cases[name][0]))} - {".dockerignore"}
        for name, context in contexts.items()
    }
    decided = {
        name: {path for path in files if not parse_rules(rules).decide(path).excluded}
        for name, (rules, files) in cases.items()
    }
    assert said == decided
    found = sent(docker, tmp_path, contexts)
    assert {name: (cases[name][0], found[name] ^ said[name]) for name in cases if found[name] != said[name]} == {}
    assert sum(0 < len(found[name]) < len(cases[name][1]) for name in cases) > 60  # most did something


def test_the_surprises(docker, tmp_path):
    """What nobody would expect of the engine is what it does: the module's documentation names these."""
    cases = {
        "not-asked": ("a/b\n!a\n", ["a/b/c", "a/c"], {"a/c"}),
        "all-below": ("a/b\n!a/**\n", ["a/b/c", "a/c"], {"a/b/c", "a/c"}),
        "emptied": ("a\n!a/b\na\n", ["a/b", "c"], {"c"}),
        "not-entered": ("a/b\n!a/*/**\n", ["a/b/c", "a/d/e"], {"a/d/e"}),
        "hidden": ("**/.*\n!.s\n", [".s/a", ".s/.b", ".c"], {".s/a", ".s/.b"}),
        "second-mark": ("*\n/!a\n", ["a", "!a"], {"a"}),
        "star-in-class": ("[*]\n", ["*", "]"], {"*"}),
        "bar": ("a|b*\n", ["ax", "xb", "x"], {"x"}),
        "times": ("x{2}*\n", ["xx", "x{2}"], {"x{2}"}),
        "digit": ("\\d\n", ["1", "d"], {"d"}),
        "bom": ("\ufeffa\r\n# b\r\n", ["a", "b"], {"b"}),
    }
    contexts = {name: make(tmp_path / name, rules, files) for name, (rules, files, _) in cases.items()}
    assert sent(docker, tmp_path, contexts) == {name: kept for name, (_, _, kept) in cases.items()}
    for name, (rules, files, kept) in cases.items():
        assert {path for path in files if not parse_rules(rules).decide(path).excluded} == kept, name


@pytest.mark.parametrize("line", ["!", "!/", "[", "a\\", "[z-a]", "\\y"])
def test_what_we_refuse_the_engine_refuses(docker, tmp_path, line):
    """A line that is an error here stops the engine's build."""
    with pytest.raises(StatebakeError):
        parse_rules(line)
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")

    def build(rules: str) -> int:
        context = make(tmp_path / str(len(rules)), rules, ["a"])
        return docker.run("buildx", "build", "--quiet", "--file", tmp_path / "Dockerfile", context).code

    # What the engine prints is either the reason or only that it gave up, whichever comes first.
    assert (build("b\n"), build(f"b\n{line}\n")) == (0, 1)


def test_which_ignore_file_counts(docker, tmp_path):
    """The engine reads the file that we find: the Dockerfile's own, links inside of the context, no empty answer."""

    def link(target: Path | str):
        return lambda context: (context / ".dockerignore").symlink_to(target)

    changes = {
        "none": lambda context: None,
        "own": lambda context: (context / ".dockerignore").write_text("a"),
        "both": lambda context: [
            (context / name).write_text(text) for name, text in ((".dockerignore", "a"), ("D.dockerignore", "b"))
        ],
        "empty": lambda context: [
            (context / name).write_text(text) for name, text in ((".dockerignore", "a"), ("D.dockerignore", ""))
        ],
        "directory": lambda context: (context / ".dockerignore").mkdir(),
        "link": link("rules"),
        "clipped": link("../rules"),
        "rooted": link("/rules"),
        "outside": link("../outside-file"),
        "absolute": link(tmp_path / "outside-file"),
    }
    (tmp_path / "outside-file").write_text("a")
    for name, change in changes.items():
        context = tmp_path / name
        context.mkdir()
        for file, text in (("a", "a"), ("b", "b"), ("rules", "a"), ("D", "FROM scratch\nCOPY . /\n")):
            (context / file).write_text(text)
        change(context)
        out = tmp_path / f"{name}-out"
        docker.run("buildx", "build", "--quiet", "-f", context / "D", f"--output=type=local,dest={out}", context).ok()
        rules = read_rules(find_ignore_file(context, context / "D"))
        arrived = {path.name for path in out.iterdir()} - {".dockerignore"}
        assert arrived == {file.path for file in walk_context(context, rules)} - {".dockerignore"}, name


def test_the_block_and_the_mending_lines_on_the_engine(docker, tmp_path):
    """After any rules the block, and the lines that we tell, bring the whole state to the engine and nothing staged."""
    contexts: dict[str, Path] = {}
    wanted: dict[str, set[str]] = {}
    out_before: dict[str, str] = {}
    hostile = [
        "*\n",
        "**/.*\n",
        f"**/{STATE}\n",
        f"!**/{STATE}\n**/{STATE}\n",
        "**/state\n**/.gitignore\n",
        "**\n!**/*.py\n",
    ]
    rule_sets = hostile + [any_rules(random.Random(number)) for number in range(30)]
    for number, (rules, directory) in enumerate((r, d) for r in rule_sets for d in ("src/", "a [b]*/\\!c/")):
        state = f"{directory}{STATE}"
        keys = {"A": [f"{state}/A/state", f"{state}/A/.statebake.json", f"{state}/A/dist/.env"]}
        staged = f"{state}/.staging/1/A/state"
        required = Required(state, keys, [f"{state}/.gitignore"])
        mending = find_mending_lines(parse_rules(rules), required)
        assert bool(mending) == bool(find_losses(parse_rules(rules), required))
        block = merge_block(rules, block_lines(image_plan(prefix="", state=state)))
        for kind, text in (("block", block), ("mended", rules + "\n".join(mending))):
            name = f"{kind}{number}"
            contexts[name] = make(tmp_path / name, text, [*required.state_files(), staged, "src/a.py"])
            wanted[name] = set(required.state_files())
            if kind == "block" or parse_rules(rules).decide(staged).excluded:
                out_before[name] = staged
    found = sent(docker, tmp_path, contexts)
    assert {name: wanted[name] - found[name] for name in contexts if wanted[name] - found[name]} == {}
    assert [name for name, staged in out_before.items() if staged in found[name]] == []
