"""Which copy of the state is read in a PEX and in an image, by running them; and what a truth check says of each."""

from __future__ import annotations

import shutil
import sys
from datetime import datetime, timezone
from pathlib import Path

import pytest

from statebake.errors import Code, StatebakeError
from statebake.pipeline.inspecting import find_artifact, read_artifact
from statebake.pipeline.truth import check_truth, read_against
from support.cli import run, statebake
from support.pexes import bake, rewrite
from support.samples import Sample, errors
from support.trees import write_tree

PEX = Path(sys.executable).parent / "pex"
ORDERS = "Project[orders]"
KEYS = ["Project[customers]", ORDERS]
STATE = "shop/defs/.local_defs_state"
WHEEL = ".deps/shop-1-py3-none-any.whl"
LAYOUTS = [(), ("--layout", "packed"), ("--layout", "loose")]
KINDS = [*LAYOUTS, ("--venv",), ("--venv", "--layout", "packed"), ("--no-pre-install-wheels",)]


class Made:
    """A sound project, its wheel, its code without state, and PEXes made of these."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.project = Sample.copy("hatchling-artifacts", root / "shop")
        self.wheel = self.project.wheel()
        self.sources = self.project.directory / "src"
        self.bare = root / "bare"
        shutil.copytree(self.sources, self.bare, ignore=shutil.ignore_patterns(".local_defs_state"))
        self.count = 0

    def pex(self, *args: str | Path) -> Path:
        """Make a PEX that says which state it reads."""
        self.count += 1
        made = self.root / f"{self.count}.pex"
        # The pip that pex unpacks for all of these is compiled once, also where the environment would not have it so.
        env = {"PEX_ROOT": str(self.root / "pex-root"), "PYTHONDONTWRITEBYTECODE": None}
        run([PEX, *args, "--output-file", made, "-m", "shop"], cwd=self.root, env=env).ok()
        return made

    def says(self, pex: Path) -> str:
        """Run a PEX with caches of its own and return what it reads."""
        home = self.root / f"home-{pex.name}"
        return run([sys.executable, pex], cwd=self.root, env={"PEX_ROOT": str(home)}).ok().out.strip()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return Made(tmp_path_factory.mktemp("truth"))


def verdicts(truth):
    return [key.verdict for key in truth.keys]


@pytest.mark.parametrize("kind", KINDS, ids=" ".join)
def test_state_in_a_dependency(made, kind):
    """State in the wheel of a PEX is read from there, in every layout, and found sound."""
    pex = made.pex(made.wheel, *kind)
    assert made.says(pex) == "manifest.json 1"
    truth = made.project.verify(pex)
    assert (errors(truth), verdicts(truth)) == ([], ["ok", "ok"])
    [found] = read_artifact(str(pex), {})
    assert [state.path for state in found.states] == [f"{WHEEL}/{STATE}"]


@pytest.mark.parametrize("kind", LAYOUTS, ids=" ".join)
def test_state_in_the_sources(made, kind):
    """State among the files of the PEX itself is read from there, in every layout, and found sound."""
    pex = made.pex("-D", made.sources, *kind)
    assert made.says(pex) == "manifest.json 1"
    truth = made.project.verify(pex)
    assert (errors(truth), verdicts(truth)) == ([], ["ok", "ok"])


@pytest.mark.parametrize("kind", KINDS, ids=" ".join)
def test_a_second_copy_hides_the_state(made, kind):
    """Files of the PEX come first: without state in them, that in the wheel is never read, and this is an error."""
    pex = made.pex(made.wheel, "-D", made.bare, *kind)
    assert made.says(pex) == "no state"
    truth = made.project.verify(pex)
    assert [(code, key) for code, key, *_ in errors(truth)] == [("SB323", key) for key in KEYS]
    assert errors(truth)[1][2] == (
        f"The PEX imports the package from shop/defs, which has no state of {ORDERS}; that is in a second copy, "
        f"{WHEEL}/shop/defs."
    )


def test_copies_that_become_one_directory(made):
    """With ``--venv-site-packages-copies`` both copies are one directory at run time, and nothing is hidden."""
    pex = made.pex(made.wheel, "-D", made.bare, "--venv", "--venv-site-packages-copies")
    assert made.says(pex) == "manifest.json 1"
    truth = made.project.verify(pex)
    assert (errors(truth), verdicts(truth)) == ([], ["ok", "ok"])


def test_a_loose_pex_depends_on_the_cache(made):
    """A loose PEX with ``--venv`` merges its copies, unless a zipapp was run before: it counts as not merged."""
    loose, zipapp = (made.pex(made.wheel, "-D", made.bare, "--venv", *kind) for kind in (LAYOUTS[2], LAYOUTS[0]))
    home = {"PEX_ROOT": str(made.root / "shared")}
    assert made.says(loose) == "manifest.json 1"
    assert run([sys.executable, zipapp], cwd=made.root, env=home).ok().out.strip() == "no state"
    assert run([sys.executable, loose], cwd=made.root, env=home).ok().out.strip() == "no state"
    assert {code for code, *_ in errors(made.project.verify(loose))} == {"SB323"}


def test_a_second_copy_with_other_state(made, tmp_path):
    """Where the copy that is read is right, another one with other state is worth a warning."""
    other = tmp_path / "other"
    shutil.copytree(made.sources, other)
    (other / STATE / "Project__orders__/project/manifest.json").write_text("other")
    old = made.pex(made.wheel, "-D", other)
    assert made.says(old) == "other"
    assert errors(made.project.verify(old))[0][0] == "SB313"
    new = tmp_path / "wheel"
    new.mkdir()
    changed = rewrite(made.wheel, new / made.wheel.name, lambda n, c: b"x" if n.endswith("manifest.json") else c)
    pex = made.pex(changed, "-D", made.sources)
    assert made.says(pex) == "manifest.json 1"
    truth = made.project.verify(pex)
    assert (errors(truth), verdicts(truth)) == ([], ["ok", "ok"])
    assert f"a second copy of the package, {WHEEL}/shop/defs, with different state" in str(truth.findings)


def test_state_where_nobody_reads_it(made):
    """The whole project as the files of a PEX has the state below ``src``, from where nothing is imported."""
    truth = made.project.verify(made.pex("-D", made.project.directory, "-D", made.bare))
    assert [(code, key) for code, key, *_ in errors(truth)] == [("SB328", key) for key in KEYS]
    assert errors(truth)[1][2] == (
        f"The state of {ORDERS} is in src/{STATE}, from where nothing is imported: it is read from {STATE}."
    )
    alone = made.project.verify(made.pex("-D", made.project.directory, "-m", "src.shop"))
    assert "there is no package shop.defs on the import path" in errors(alone)[0][2]


@pytest.fixture(scope="module")
def baked(tmp_path_factory):
    """A PEX that statebake made of a native project, and the project."""
    from support.native import component, native_project

    root = tmp_path_factory.mktemp("baked")
    project = native_project(root / "shop", component("one") + "---\n" + component("two"))
    bake(project, root / "shop.pex").ok()
    return Sample(project, {}), root / "shop.pex"


def test_what_statebake_bakes(baked, tmp_path):
    """A PEX that statebake made passes, by itself, against the work tree, a manifest, and another artifact."""
    project, pex = baked
    [found] = read_artifact(str(pex), {})
    manifest = tmp_path / "statebake-manifest.json"
    manifest.write_text(found.states[0].manifest.dumps())
    now = datetime.now(timezone.utc)
    for against in (None, read_against(str(manifest), {}), read_against(str(pex), {}), project.known()[0]):
        truth = check_truth(found, against=against, now=now)
        assert (truth.findings, verdicts(truth)) == ((), ["ok", "ok"])
    assert truth.checks == (
        "2 keys compared with the manifest of the PEX",
        "2 keys compared with the work tree shop",
    )


def test_against_other_state(baked, tmp_path):
    """State that is sound in itself, but not that of what it is compared with, is told with both digests."""
    project, pex = baked
    copy = Sample(tmp_path / "shop", {})
    shutil.copytree(project.directory, copy.directory)
    defs = copy.directory / "src/shop/defs/things/defs.yaml"
    defs.write_text(defs.read_text().replace('"name": "two"', '"name": "two", "text": "2"').replace('"one"', '"three"'))
    copy.refresh()
    found = errors(copy.verify(pex))
    assert [(code, key) for code, key, *_ in found] == [
        ("SB326", "Text[one]"),
        ("SB301", "Text[three]"),
        ("SB326", "Text[two]"),
    ]
    assert found[0][2] == "The PEX carries the state of Text[one], a key that the work tree shop does not have."
    assert "it was fetched at 20" in found[2][2]


def replacing(old: bytes, new: bytes, end: str):
    return lambda name, content: content.replace(old, new, 1) if name.endswith(end) else content


DIGEST = b'"digest": "sha256:'
TAMPERED = {
    "files": (replacing(b"one", b"two", "Text__one__/state"), "its files were changed: their digest is"),
    "record": (replacing(DIGEST, DIGEST + b"00", "one__/.statebake.json"), "its record was changed: it says"),
    "manifest": (replacing(DIGEST, DIGEST + b"00", "-manifest.json"), "the manifest was changed: it says"),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_tampered(baked, tmp_path, what):
    """Of manifest, files and record, the one that does not agree with the others is named."""
    change, message = TAMPERED[what]
    pex = rewrite(baked[1], tmp_path / "shop.pex", change)
    [found] = find_artifact(str(pex), {})
    [(code, key, said, _)] = errors(check_truth(found, now=datetime.now(timezone.utc)))
    assert (code, key) == ("SB313", "Text[one]")
    assert f"The state of Text[one] in the PEX contradicts itself: {message}" in said


def test_a_newer_manifest(baked, tmp_path):
    """A manifest of a later format is refused by its number."""
    change = replacing(b'"format": 1', b'"format": 2', "-manifest.json")
    newer = rewrite(baked[1], tmp_path / "shop.pex", change)
    with pytest.raises(StatebakeError) as caught:
        find_artifact(str(newer), {})
    assert caught.value.code is Code.NEWER_FORMAT


@pytest.mark.parametrize("kind", ["wheel", "loose"])
def test_inspect(made, kind, tmp_path):
    """``statebake inspect`` shows what a wheel and a PEX that is a directory carry."""
    artifact = made.wheel if kind == "wheel" else made.pex("-D", made.sources, "--layout", "loose")
    result = statebake("inspect", artifact, "--format", "json", cwd=tmp_path).ok()
    assert '"Project[orders]"' in result.out
    assert ORDERS in statebake("inspect", artifact, cwd=tmp_path).ok().out


@pytest.mark.needs("docker")
def test_images(docker, new_image, tmp_path):
    """An image by hand passes; a rule of .dockerignore, and a second copy without state, are told by name."""
    for name in ("docker-plain", "dockerignore"):
        project = Sample.copy(name, tmp_path / name, docker.env())
        image = new_image(docker)
        docker.run("build", "--network", "host", "--tag", image, ".", cwd=project.directory).ok()
        truth = project.verify(image, image=True)
        if name == "docker-plain":
            assert (errors(truth), verdicts(truth)) == ([], ["ok", "ok"])
            continue
        (code, key, message, mend) = errors(truth)[1]
        assert (code, key) == ("SB317", ORDERS)
        rule = "`.dockerignore:2` (`**/.*/`) keeps it out of the build context"
        assert message == f"The state of {ORDERS} is not in the image: {rule}."
        path = project.directory / ".dockerignore"
        path.write_text(path.read_text() + "\n".join(mend.partition(": ")[2].split(" and ")) + "\n")
        docker.run("build", "--network", "host", "--tag", image, ".", cwd=project.directory).ok()
        assert errors(project.verify(image, image=True)) == []
    write_tree(project.directory, {"Dockerfile": "FROM scratch\nCOPY src /app/src\nCOPY bare /usr/lib/site-packages\n"})
    shutil.copytree(project.directory / "src", project.directory / "bare", ignore=shutil.ignore_patterns(".local*"))
    docker.run("build", "--network", "host", "--tag", image, ".", cwd=project.directory).ok()
    layout = tmp_path / "image.tar"
    docker.run("save", "--output", layout, image).ok()
    truth = project.verify(layout)
    assert errors(truth) == []
    assert "a second copy of the package, /usr/lib/site-packages/shop/defs, without the state" in str(truth.findings)
