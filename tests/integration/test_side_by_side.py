"""How much is fetched at the same time: every key on its own, within the limits, over all projects."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.api import Answer, Api, fetching
from support.cli import statebake
from support.hosts import ONE_DAGSTER, HostKit
from support.native import code_component, documents, native_project, state_dir
from support.trees import write_tree
from support.workspaces import workspace

# Blocks its event loop, as clients without an asynchronous API do.
BLOCKING = """
    import asyncio
    from pathlib import Path

    from {module} import Code


    class Blocking(Code):
        async def write_state_to_path(self, state_path: Path) -> None:
            loop = asyncio.get_running_loop()
            exec(self.text, {{"state_path": state_path, "loop": loop, "Path": Path}})
"""
PIDS = "\nimport os\nPath(state_path).write_text(f'{os.getpid()} {os.getppid()}')"


def blocking(host: HostKit, document: str) -> str:
    """Return the document of a component with an asynchronous fetch whose body blocks."""
    return document.replace(f"{host.module}.Code", f"{host.package}.blocking.Blocking")


@pytest.mark.parametrize("host", ONE_DAGSTER)
def test_asynchronous_fetches_that_block_do_not_wait_for_each_other(host: HostKit, api: Api, tmp_path: Path) -> None:
    """Each runs on an event loop and in a process of its own; all are forks of the one that imported the project."""
    api.gather("meet", 6)
    texts = [blocking(host, host.code(str(n), fetching(f"{api.url}/meet/{n}") + PIDS)) for n in range(6)]
    files = {f"src/{host.package}/blocking.py": BLOCKING.format(module=host.module)}
    project = host.project(tmp_path, texts, files)
    statebake("refresh", cwd=project, env=host.env, timeout=60).ok()
    assert api.peak["meet"] == 6
    found = [path.read_text().split() for path in host.state_dir(project).glob("*/state")]
    assert len({own for own, _ in found}) == 6
    assert len({parent for _, parent in found}) == 1


def test_far_more_fetches_than_processors(api: Api, tmp_path: Path) -> None:
    """By default thirty-two fetches run side by side, whatever the machine has."""
    api.gather("meet", 32)
    texts = (code_component(str(n), fetching(f"{api.url}/meet/{n}")) for n in range(32))
    statebake("refresh", cwd=native_project(tmp_path, documents(*texts)), timeout=60).ok()
    assert api.peak["meet"] == 32


def test_one_at_a_time(api: Api, tmp_path: Path) -> None:
    """``--jobs 1`` fetches one key after the other."""
    texts = []
    for number in range(4):
        api.script(f"/one/{number}", Answer(takes_s=0.1))
        texts.append(code_component(str(number), fetching(f"{api.url}/one/{number}")))
    project = native_project(tmp_path, documents(*texts))
    statebake("refresh", "--jobs", "1", cwd=project).ok()
    assert api.peak["one"] == 1
    assert all(api.count(f"/one/{number}") == 1 for number in range(4))


def test_limits_by_class_and_by_key(api: Api, tmp_path: Path) -> None:
    """A limit holds for the keys that its pattern matches, and is used up; the other keys do not wait for them."""
    api.gather("free", 4)
    texts = []
    for kind in ("class", "keyed", "free"):
        for number in range(4):
            api.script(f"/{kind}/{number}", Answer(takes_s=0.15))
            text = code_component(f"{kind}/{number}", fetching(f"{api.url}/{kind}/{number}"))
            texts.append(text.replace("components.Code", "components.Limited") if kind == "class" else text)
    limits = '[tool.statebake.limits]\n"Limited" = 2\n"Text[[]keyed/*]" = 1\n'.replace("[[]", "[")
    project = native_project(tmp_path, documents(*texts))
    with (project / "src/shop/components.py").open("a") as stream:
        stream.write("\n\nclass Limited(Code):\n    pass\n")
    with (project / "pyproject.toml").open("a") as stream:
        stream.write(limits)
    statebake("refresh", cwd=project).ok()
    assert (api.peak["class"], api.peak["keyed"], api.peak["free"]) == (2, 1, 4)


def test_a_key_under_two_limits(api: Api, tmp_path: Path) -> None:
    """Where several limits match a key, all of them hold, and no two keys wait for each other for ever."""
    texts = []
    for number in range(6):
        api.script(f"/both/{number}", Answer(takes_s=0.05))
        texts.append(code_component(str(number), fetching(f"{api.url}/both/{number}")))
    project = native_project(tmp_path, documents(*texts))
    write_tree(project, {"statebake.toml": 'jobs = 3\n[limits]\n"Code" = 2\n"*" = 3\n"Text[*]" = 2\n'})
    statebake("refresh", cwd=project, timeout=60).ok()
    assert api.peak["both"] == 2


def test_a_limit_counts_over_all_projects(api: Api, tmp_path: Path) -> None:
    """A limit that several projects of a workspace have is one limit, and so is ``jobs``."""
    projects = {}
    for name in ("sales", "finance"):
        texts = []
        for number in range(3):
            api.script(f"/shared/{name}/{number}", Answer(takes_s=0.1))
            texts.append(code_component(str(number), fetching(f"{api.url}/shared/{name}/{number}")))
        projects[name] = documents(*texts)
    root = workspace(tmp_path, projects, '[limits]\n"Code" = 2\n')
    statebake("refresh", cwd=root, timeout=60).ok()
    assert api.peak["shared"] == 2
    api.peak.clear()
    statebake("refresh", "--jobs", "1", cwd=root, timeout=60).ok()
    assert api.peak["shared"] == 1


def test_the_lower_limit_counts(api: Api, tmp_path: Path) -> None:
    """Where projects of a workspace give one pattern different limits, the lower one holds for all of them."""
    texts = {}
    for name in ("sales", "finance"):
        parts = []
        for number in range(3):
            api.script(f"/shared/{name}/{number}", Answer(takes_s=0.1))
            parts.append(code_component(str(number), fetching(f"{api.url}/shared/{name}/{number}")))
        texts[name] = documents(*parts)
    root = workspace(tmp_path, texts)
    for name, count in (("sales", 3), ("finance", 1)):
        write_tree(root / name, {"statebake.toml": f'host = "native"\n[limits]\n"Code" = {count}\n'})
    statebake("refresh", cwd=root, timeout=60).ok()
    assert api.peak["shared"] == 1


def test_projects_of_a_workspace_are_fetched_side_by_side(api: Api, tmp_path: Path) -> None:
    """Each project has an interpreter of its own, and they do not wait for each other."""
    api.gather("meet", 2)
    names = ("sales", "finance")
    root = workspace(
        tmp_path, {name: code_component("it", fetching(f"{api.url}/meet/{name}") + PIDS) for name in names}
    )
    statebake("refresh", cwd=root, timeout=60).ok()
    assert api.peak["meet"] == 2
    parents = {(state_dir(root / name) / "Text__it__/state").read_text().split()[1] for name in names}
    assert len(parents) == 2


def test_the_project_is_imported_once(tmp_path: Path) -> None:
    """However many keys there are, and whichever are selected, a project's code is imported one time."""
    log = tmp_path / "imports"
    count = f"import pathlib\nwith pathlib.Path({str(log)!r}).open('a') as log: log.write('x')\n"
    text = documents(*(code_component(str(n), "state_path.write_text('x')") for n in range(20)))
    project = native_project(tmp_path / "shop", text, {"src/shop/__init__.py": count})
    statebake("refresh", cwd=project).ok()
    assert log.read_text() == "x"
    statebake("refresh", "--select", "Text[1*]", cwd=project).ok()
    assert log.read_text() == "xx"


def test_more_jobs_than_descriptors(tmp_path: Path) -> None:
    """Where the worker runs out of descriptors, the fetches that it cannot start now are tried again or fail alone."""
    import resource
    import subprocess
    import sys

    from support.cli import clean_env

    text = documents(
        *(code_component(str(n), "import time; time.sleep(0.5); state_path.write_text('x')") for n in range(60))
    )
    project = native_project(tmp_path, text)

    def few() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (48, 48))

    ended = subprocess.run(
        [sys.executable, "-m", "statebake", "refresh", "--jobs", "60", "--retries", "5"],
        cwd=project,
        env={**clean_env(), "STATEBAKE_BACKOFF": "0.3s"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=few,
    )
    assert "Traceback" not in ended.stderr, ended.stderr
    assert ended.returncode == 0, ended.stderr
