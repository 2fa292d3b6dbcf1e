"""What a refresh shows: a live table on a terminal, plain lines elsewhere, one document in JSON; what fetches print."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path
from uuid import uuid4

import pytest

from support.cli import statebake
from support.native import code_component, component, documents, native_project
from support.processes import MARK, marked, wait_until
from support.reports import keys_of
from support.screen import Terminal
from support.shown import assert_no_crash, shown, the_error
from support.workspaces import workspace

SECRET = "tok-5ae1c0ffee"
ESC = "\x1b"


def fails_once(seen: Path) -> str:
    """Return the beginning of a fetch whose first attempt fails."""
    return f"seen = Path({str(seen)!r})\nif not seen.exists():\n  seen.touch()\n  raise ConnectionError('gone')\n"


# --- a terminal ------------------------------------------------------------------------------------------------------


def waiting_for(path: Path, then: str = "state_path.write_text('x')") -> str:
    return f"import time\nwhile not os.path.exists({str(path)!r}): time.sleep(0.02)\n{then}"


def test_a_live_table(tmp_path: Path) -> None:
    """While keys are fetched each has a line that says so; in the end one line per key is left, and nothing else."""
    go = tmp_path / "go"
    once = fails_once(tmp_path / "seen")
    texts = [
        component("quick"),
        code_component("slow", waiting_for(go)),
        code_component("again", once + waiting_for(go)),
        code_component("fails", "raise ValueError('no')"),
    ]
    project = native_project(tmp_path / "it", documents(*texts))
    terminal = Terminal("refresh", cwd=project, env={})
    terminal.until("2 of 4 done")
    time.sleep(0.5)
    terminal.read(0.3)
    table = terminal.screen.text
    assert re.search(r"^  Text\[slow\] +fetching +\d\.\d s$", table, re.MULTILINE), table
    assert re.search(r"^  Text\[again\] +fetching +\d\.\d s +attempt 2$", table, re.MULTILINE), table
    assert re.search(r"^  2 of 4 done, 1 failed, \d\.\d s$", table, re.MULTILINE), table
    go.touch()
    assert terminal.end() == 4
    assert terminal.screen.has_cursor
    assert terminal.screen.strange == []
    lines = terminal.screen.text.splitlines()
    for name, sign in (("quick", "✓"), ("slow", "✓"), ("again", "✓"), ("fails", "✗")):
        assert len([line for line in lines if line.startswith(f"  {sign} Text[{name}]  ")]) == 1, lines
    assert not [line for line in lines if "fetching" in line or " done" in line]
    assert len([line for line in lines if line.startswith("error[SB401]")]) == 1


def test_more_keys_than_lines(tmp_path: Path) -> None:
    """Where the terminal has too few lines, the table says how many keys are not shown; all are there in the end."""
    go = tmp_path / "go"
    texts = [code_component(str(number), waiting_for(go)) for number in range(40)]
    project = native_project(tmp_path / "it", documents(*texts))
    terminal = Terminal("refresh", cwd=project, env={})
    terminal.until("12 more running, 8 waiting")
    go.touch()
    assert terminal.end() == 0
    lines = terminal.screen.text.splitlines()
    assert len(lines) == 1 + 40 + 1, lines
    assert len({line.split()[1] for line in lines if line.startswith("  ✓ Text[")}) == 40, terminal.screen.text


def test_errors_of_one_project_beside_the_table_of_another(tmp_path: Path) -> None:
    """What is said of a project that has ended is not overwritten by the table of one that goes on."""
    go = tmp_path / "go"
    slow = documents(*(code_component(str(n), waiting_for(go)) for n in range(6)))
    root = workspace(tmp_path / "it", {"sales": code_component("bad", "raise ValueError('no')"), "finance": slow})
    terminal = Terminal("refresh", cwd=root, env={})
    terminal.until("sales: 1 failed")
    terminal.read(1)
    assert "finance: Text[5]" in terminal.screen.text
    go.touch()
    assert terminal.end() == 4
    lines = [line.strip() for line in terminal.screen.text.splitlines()]
    for wanted in (
        "error[SB401]: sales: The fetch of Text[bad] failed: ValueError: no",
        "at src/shop/defs/things/defs.yaml:1",
        "| ValueError: no",
        "next: mend the cause, then: statebake refresh --project sales --key 'Text[bad]'",
        "note: Text[bad]: tried 3 times; it has no state yet",
    ):
        assert lines.count(wanted) == 1, terminal.screen.text
    assert not [line for line in lines if "fetching" in line]


@pytest.mark.parametrize("impatient", [False, True])
def test_an_interrupt_leaves_a_terminal_as_it_was(impatient: bool, tmp_path: Path) -> None:
    """After Ctrl-C there is no table any more; after a second one, or a kill, at least the cursor is there."""
    mark = uuid4().hex
    project = native_project(tmp_path, code_component("it", "import time\ntime.sleep(600)"))
    terminal = Terminal("refresh", cwd=project, env={MARK: mark})
    terminal.until("fetching")
    workers = [int(line.split()[0]) for line in marked(mark) if "entry.py" in line]
    if impatient:
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)  # so that the end takes a while
    terminal.process.send_signal(signal.SIGINT)
    if impatient:
        terminal.read(0.3)
        assert terminal.process.poll() is None
        begun = time.monotonic()
        terminal.process.send_signal(signal.SIGINT)
        terminal.process.wait(timeout=5)
        assert time.monotonic() - begun < 1
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
    assert terminal.end() == 130
    assert terminal.screen.has_cursor
    assert impatient or "fetching" not in terminal.screen.text
    wait_until(lambda: not marked(mark), "the processes' end", timeout=5)


# --- without a terminal ----------------------------------------------------------------------------------------------


def test_lines_in_a_log(tmp_path: Path) -> None:
    """Without a terminal there is one plain line per event, and no control code."""
    once = fails_once(tmp_path / "seen")
    texts = [component("one"), code_component("two", once + "state_path.write_text('x')")]
    project = native_project(tmp_path / "it", documents(*texts))
    result = statebake("refresh", cwd=project, env={"FORCE_COLOR": None}).ok()
    assert ESC not in result.out + result.err
    lines = result.out.splitlines()
    assert len(lines) == 5
    assert (
        len([line for line in lines if re.match(r"  ↻ Text\[two\]  attempt 1 failed: .*gone; again in 0.0 s", line)])
        == 1
    )
    assert re.fullmatch(r"  ✓ Text\[two\]  updated  \d\.\d s  2 attempts  1 file, 1 B  [0-9a-f]{12}", lines[-2])
    assert re.fullmatch(r"✓ shop: 2 updated  \d\.\d s", lines[-1])
    changed = documents(component("one", text="longer than before"), component("two", text="x"))
    (project / "src/shop/defs/things/defs.yaml").write_text(changed)
    again = statebake("refresh", cwd=project).ok()
    assert re.search(r"✓ Text\[one\]  updated .* 1 file, 18 B \(\+15 B\)", again.out)
    assert re.search(r"= Text\[two\]  unchanged", again.out)


def test_json_is_all_there_is(tmp_path: Path) -> None:
    """With ``--format json`` standard output has one document, whatever fetches print, fail or are tried again."""
    texts = [code_component(str(n), "print('noise', flush=True)\nraise ConnectionError('gone')") for n in range(3)]
    project = native_project(tmp_path, documents(*texts))
    result = statebake("refresh", "--format", "json", cwd=project)
    assert (result.code, result.err) == (4, "")
    assert json.loads(result.out)["format"] == 1
    assert {item["attempts"] for item in keys_of(result).values()} == {3}


# --- what fetches print ----------------------------------------------------------------------------------------------


def test_prints(tmp_path: Path) -> None:
    """What a failing fetch printed is shown with its error, what a good one printed with ``--verbose`` only."""
    noise = "import sys\nprint('spoken by {0}')\nprint('sighed by {0}', file=sys.stderr)\n"
    texts = [
        code_component("good", noise.format("good") + "state_path.write_text('x')"),
        code_component("bad", noise.format("bad") + "raise ValueError('no')"),
    ]
    project = native_project(tmp_path, documents(*texts))
    quiet = statebake("refresh", cwd=project)
    assert {"spoken by bad", "sighed by bad"} <= set(the_error(quiet.err).detail)
    assert "by good" not in quiet.out + quiet.err
    loud = statebake("refresh", "--verbose", cwd=project)
    assert "    | spoken by good\n    | sighed by good\n" in loud.out
    assert {"spoken by bad", "sighed by bad"} <= set(the_error(loud.err).detail)
    as_json = statebake("refresh", "--format", "json", cwd=project)
    assert keys_of(as_json)["Text[good]"]["printed"] == "spoken by good\nsighed by good"


def test_all_that_is_printed(tmp_path: Path) -> None:
    """``--verbose`` shows all of it, of every attempt; without it, an error says how much there was before its end."""
    text = "for n in range(100): print('line', n)\nprint('\\n\\n')\nraise ConnectionError('gone')"
    project = native_project(tmp_path, code_component("it", text))
    loud = statebake("refresh", "--retries", "1", "--verbose", cwd=project)
    assert [loud.out.count(f"    | line {n}\n") for n in range(100)] == [2] * 100
    assert "· Text[it]  printed by attempt 2\n" in loud.out
    quiet = statebake("refresh", "--retries", "0", cwd=project)
    assert "line" not in quiet.out
    assert the_error(quiet.err).detail[:2] == ["… 80 lines before (--verbose shows them)", "line 80"]


def test_secrets_in_prints(tmp_path: Path) -> None:
    """They are masked in what is shown of any fetch, also where many lines or few characters are left of a print."""
    noise = "import os\nfor n in range(3000):\n    print(f'{n} ' + os.environ['SHOP_TOKEN'] * 9)\n"
    texts = [
        code_component("good", noise + "state_path.write_text('x')"),
        code_component("bad", noise + "raise ValueError('for ' + os.environ['SHOP_TOKEN'])"),
    ]
    project = native_project(tmp_path, documents(*texts))
    for args in (["--verbose"], ["--format", "json"]):
        result = statebake("refresh", *args, cwd=project, env={"SHOP_TOKEN": SECRET})
        assert result.code == 4
        assert SECRET not in result.out + result.err
        assert "5ae1c0ffee" not in result.out + result.err
        assert "****" in result.out


def test_an_exception_of_fifty_megabytes(tmp_path: Path) -> None:
    """It is shortened in the middle, for the cause mostly comes last, and takes neither long nor much."""
    text = code_component("it", "raise ValueError('x' * (50 << 20) + 'the end')")
    project = native_project(tmp_path, text)
    begun = time.monotonic()
    result = statebake("refresh", "--retries", "1", cwd=project, timeout=60)
    assert time.monotonic() - begun < 15
    message = the_error(result.err).message
    assert message.startswith("The fetch of Text[it] failed: ValueError: xxx")
    assert re.search(r"x … x+the end \(\d+ characters\)$", message)
    assert re.search(r"attempt 1 failed: ValueError: x+ … x+the end \(\d+ characters\); again in", result.out)
    assert len(result.err) < 5000


ESCAPES = "\\x1b[2J\\x1b[H\\x1b]0;title\\x07\\x1b[31mred\\x1b[0m \\x08\\x9b5A\\rover"


def test_control_codes_in_prints(tmp_path: Path) -> None:
    """What a fetch prints or raises cannot clear the screen, move the cursor or name the window; its text is shown."""
    texts = [
        code_component("good", f"print('{ESCAPES}')\nstate_path.write_text('x')"),
        code_component("bad", f"print('{ESCAPES}')\nraise ConnectionError('{ESCAPES}')"),
    ]
    project = native_project(tmp_path, documents(*texts))
    result = statebake("refresh", "--verbose", cwd=project)
    assert result.code == 4
    found = {character for character in result.out + result.err if not character.isprintable()}
    assert found == {"\n"}
    assert any("red" in line for line in the_error(result.err).detail)
    assert "red" in result.out
    assert_no_crash(result.err)
    terminal = Terminal("refresh", "--verbose", cwd=project, env={})
    assert terminal.end() == 4
    assert terminal.screen.strange == []


def test_every_failed_key_is_named(tmp_path: Path) -> None:
    """The summary has each failed key with its cause, its place and what to do, and how to do it for all."""
    texts = [code_component(str(number), f"raise ValueError('cause {number}')") for number in range(12)]
    project = native_project(tmp_path, documents(*texts))
    result = statebake("refresh", cwd=project)
    errors = shown(result.err)
    assert [item.where for item in errors] == [f"src/shop/defs/things/defs.yaml:{1 + 3 * n}" for n in range(12)]
    assert all(f"cause {number}" in item.message for number, item in enumerate(errors))
    assert all(item.next_step for item in errors)
    assert result.out.rstrip().endswith("statebake refresh --failed")
