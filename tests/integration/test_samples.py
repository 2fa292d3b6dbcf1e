"""Every way in which a build backend loses state: real projects, really built, and what the verification says."""

from __future__ import annotations

import shutil

import pytest

from support.cli import run
from support.dagster import dagster_python
from support.samples import SAMPLES, UV, Sample, errors

ORDERS = "Project[orders]"
STATE = ".local_defs_state"
SETUPTOOLS = "setuptools takes Python files only, unless it is told of others"
PACKAGE_DATA = f"""add to pyproject.toml:
[tool.setuptools.package-data]
"shop.defs" = ["{STATE}/*", "{STATE}/.gitignore", "{STATE}/**/*", "{STATE}/**/.*", "{STATE}/**/.config/**/*", \
"{STATE}/**/.config/**/.*", "**/defs.yaml"]"""
NO_DOTFILES = f"""set in [tool.setuptools.package-data] of pyproject.toml: \
"shop.defs" = ["{STATE}/*", "{STATE}/.gitignore", "{STATE}/**/*", "**/defs.yaml", "{STATE}/**/.*", \
"{STATE}/**/.config/**/*", "{STATE}/**/.config/**/.*"]"""
NO_DECLARATIONS = f"set in [tool.setuptools.package-data] of pyproject.toml: {PACKAGE_DATA.splitlines()[-1]}"
ARTIFACTS = f'add to pyproject.toml: [tool.hatch.build] artifacts = ["/src/shop/defs/{STATE}/"]'
INCLUDE = (
    f'add to pyproject.toml: [tool.poetry] include = [{{ path = "src/shop/defs/{STATE}/**/*", '
    'format = ["sdist", "wheel"] }]'
)

BROKEN = {
    "setuptools-nothing": [
        ("SB319", f"The state of {ORDERS} is not in the wheel: {SETUPTOOLS}.", PACKAGE_DATA),
        (
            "SB325",
            (
                f"src/shop/defs/things/defs.yaml, which declares {ORDERS}, is not in the wheel: the component does not "
                f"exist there. S{SETUPTOOLS[1:]}."
            ),
            PACKAGE_DATA,
        ),
    ],
    "setuptools-no-dotfiles": [
        (
            "SB319",
            (
                f"Of the state of {ORDERS}, 2 of 5 files are not in the wheel (.statebake.json, "
                f"project/.config/settings): {SETUPTOOLS}."
            ),
            NO_DOTFILES,
        ),
    ],
    "setuptools-no-declarations": [
        (
            "SB325",
            (
                f"src/shop/defs/things/defs.yaml, which declares {ORDERS}, is not in the wheel: the component does not "
                f"exist there. S{SETUPTOOLS[1:]}."
            ),
            NO_DECLARATIONS,
        ),
    ],
    "setuptools-no-package": [
        (
            "SB321",
            f"The state of {ORDERS} is not in the wheel: the package shop.defs itself is not in there.",
            "see which packages the build backend finds, and name this one",
        ),
    ],
    "hatchling-ignored": [
        (
            "SB320",
            (
                f"The state of {ORDERS} is not in the wheel: hatchling leaves out what the root .gitignore matches, "
                "and `.gitignore:3` (`.local_defs_*/`) matches it."
            ),
            ARTIFACTS,
        ),
    ],
    "hatchling-ignored-part": [
        (
            "SB320",
            (
                f"Of the state of {ORDERS}, 1 of 5 files is not in the wheel (project/target/partial.json): hatchling "
                "leaves out what the root .gitignore matches, and `.gitignore:4` (`target/`) matches it."
            ),
            ARTIFACTS,
        ),
    ],
    "hatchling-excluded": [
        (
            "SB321",
            (
                f"Of the state of {ORDERS}, 3 of 5 files are not in the wheel (project/.config/settings, "
                "project/manifest.json, project/target/partial.json): the pattern '**/project/**' of `exclude` in "
                "[tool.hatch.build.targets.wheel] keeps it out."
            ),
            "take '**/project/**' out of `exclude` in [tool.hatch.build.targets.wheel], or narrow what it matches",
        ),
    ],
    "poetry-in-git": [
        (
            "SB321",
            (
                f"The state of {ORDERS} is not in the wheel: poetry-core leaves out what git ignores, and the state "
                "directory's own .gitignore has git ignore it."
            ),
            INCLUDE,
        ),
    ],
    "pdm-excludes": [
        (
            "SB321",
            (
                f"The state of {ORDERS} is not in the wheel: the pattern '**/.local_defs_state/**' of `excludes` in "
                "[tool.pdm.build] keeps it out."
            ),
            "take '**/.local_defs_state/**' out of `excludes` in [tool.pdm.build], or narrow what it matches",
        ),
    ],
    "uv-build-excludes": [
        (
            "SB321",
            (
                f"Of the state of {ORDERS}, 1 of 5 files is not in the wheel (project/manifest.json): the pattern "
                "'manifest.json' of `wheel-exclude` in [tool.uv.build-backend] keeps it out."
            ),
            "take 'manifest.json' out of `wheel-exclude` in [tool.uv.build-backend], or narrow what it matches",
        ),
    ],
}
SOUND = [
    "setuptools-package-data",
    "hatchling-artifacts",
    "poetry-include",
    "pdm-plain",
    "uv-build-plain",
    "flit-plain",
]
MENDED = [
    "setuptools-nothing",
    "setuptools-no-dotfiles",
    "hatchling-ignored",
    "hatchling-ignored-part",
    "poetry-in-git",
]


def sample(name, tmp_path):
    """Return a sample with its state; in a git work tree where that is what poetry-core looks at."""
    made = Sample.copy(name, tmp_path / "shop")
    if name.startswith("poetry"):
        run(["git", "init", "--quiet"], cwd=made.directory).ok()
    return made


@pytest.mark.parametrize("name", BROKEN)
def test_broken(tmp_path, name):
    """The wheel is built without a complaint, and the verification names the cause and the mend, for each key."""
    project = sample(name, tmp_path)
    truth = project.verify(project.wheel())
    of_orders = [(code, message, mend) for code, key, message, mend in errors(truth) if key == ORDERS]
    assert of_orders == BROKEN[name]
    assert len(errors(truth)) == 2 * len(BROKEN[name])


@pytest.mark.parametrize("name", SOUND)
def test_sound(tmp_path, name):
    """The same project with the right settings passes; only the manifest, which bakes put in, is missed."""
    project = sample(name, tmp_path)
    truth = project.verify(project.wheel())
    assert [finding.code.value for finding in truth.findings] == ["SB327"]
    assert [(key.key, key.verdict, key.files) for key in truth.keys] == [
        ("Project[customers]", "ok", 4),
        (ORDERS, "ok", 4),
    ]
    assert truth.checks[-1] == "2 keys compared with the work tree shop"


@pytest.mark.parametrize("name", MENDED)
def test_the_mend_mends(tmp_path, name):
    """With the lines that the finding gives in ``pyproject.toml``, the next wheel carries everything."""
    project = sample(name, tmp_path)
    mends = {mend for *_, mend in errors(project.verify(project.wheel()))}
    assert len(mends) == 1
    project.add(mends.pop())
    assert errors(project.verify(project.wheel())) == []


@pytest.mark.parametrize("name", ["hatchling-ignored", "setuptools-nothing"])
def test_a_wheel_with_nothing_to_compare(tmp_path, name):
    """Without the project nobody knows what should be in a wheel with no state, and that is an error too."""
    from datetime import datetime, timezone

    from statebake.pipeline.inspecting import find_artifact
    from statebake.pipeline.truth import check_truth

    project = sample(name, tmp_path)
    [wheel] = find_artifact(str(project.wheel()), {})
    assert [found[0] for found in errors(check_truth(wheel, now=datetime.now(timezone.utc)))] == ["SB301"]


def dagster(name, tmp_path):
    return Sample.copy(name, tmp_path / "depot", {"STATEBAKE_PYTHON": str(dagster_python("1.13"))})


@pytest.mark.needs("dagster-1.13")
def test_no_config_file(tmp_path):
    """A wheel of a Dagster project without its configuration, which Dagster reads at run time, is refused."""
    project = dagster("dagster-no-config", tmp_path)
    [(code, key, message, mend)] = errors(project.verify(project.wheel()))
    assert (code, key) == ("SB324", None)
    assert message == (
        "The wheel has no pyproject.toml with [tool.dg.project], and no dg.toml, in depot/defs or above it: Dagster "
        "finds no components and no state without."
    )
    assert mend == "flit-core cannot put it there; build with hatchling, or bake with: statebake bake pex"


@pytest.mark.needs("dagster-1.13")
@pytest.mark.parametrize("backend", ["hatchling", "poetry-core", "pdm-backend"])
def test_the_mend_of_the_config_file(tmp_path, backend):
    """The lines that the finding gives put the configuration beside the packages, whichever backend can do that."""
    project = dagster("dagster-no-config", tmp_path)
    modules = {"hatchling": "hatchling.build", "poetry-core": "poetry.core.masonry.api", "pdm-backend": "pdm.backend"}
    path = project.directory / "pyproject.toml"
    path.write_text(path.read_text().replace("flit-core", backend).replace("flit_core.buildapi", modules[backend]))
    [(code, *_, mend)] = errors(project.verify(project.wheel()))
    assert code == "SB324"
    project.add(mend)
    assert errors(project.verify(project.wheel())) == []


@pytest.mark.needs("dagster-1.13")
def test_with_a_config_file(tmp_path):
    """A wheel that hatchling has put the configuration into passes."""
    project = dagster("dagster-config", tmp_path)
    assert errors(project.verify(project.wheel())) == []


@pytest.mark.needs("dagster-1.13")
def test_no_ignore_file(tmp_path):
    """State without its inner .gitignore cannot be read on a read-only file system, and is refused."""
    project = dagster("dagster-no-ignore-file", tmp_path)
    found = {code: (message, mend) for code, _, message, mend in errors(project.verify(project.wheel()))}
    assert set(found) == {"SB314", "SB324"}
    message, mend = found["SB314"]
    assert message == (
        "depot/defs/.local_defs_state/.gitignore is missing in the wheel: Dagster writes it when it reads state, which "
        "fails on a read-only file system."
    )
    assert '".local_defs_state/.gitignore"' in mend


def test_an_old_build(tmp_path):
    """A warm uv cache installs the state of an older build; it is told from state that only differs, and mended."""
    project = sample("uv-build-plain", tmp_path)
    sync = [UV, "sync", "--quiet", "--no-editable"]
    env = {"UV_CACHE_DIR": str(tmp_path / "cache"), "UV_PROJECT_ENVIRONMENT": str(tmp_path / "venv")}
    run(sync, cwd=project.directory, env=env).ok()
    assert errors(project.verify(tmp_path / "venv")) == []
    state = project.directory / "src/shop/defs/.local_defs_state"
    before = (state / "Project__orders__/project/manifest.json").read_text()
    project.refresh(SAMPLE_STATE="2")
    assert (state / "Project__orders__/project/manifest.json").read_text() != before
    shutil.rmtree(tmp_path / "venv")
    run(sync, cwd=project.directory, env=env).ok()

    found = [found for found in errors(project.verify(tmp_path / "venv")) if found[1] == ORDERS]
    [(code, _, message, mend)] = found
    assert code == "SB322"
    assert message.startswith(f"The state of {ORDERS} is that of an older build: it was fetched at 20")
    assert message.endswith(". An installer took a wheel from its cache.")
    command, _, setting = mend.partition("; and for the next time, in pyproject.toml: ")
    assert command == "uv sync --reinstall-package shop"
    run([UV, *command.split()[1:], "--quiet", "--no-editable"], cwd=project.directory, env=env).ok()
    assert errors(project.verify(tmp_path / "venv")) == []

    project.add(setting)
    run(sync, cwd=project.directory, env=env).ok()
    project.refresh(SAMPLE_STATE="3")
    run(sync, cwd=project.directory, env=env).ok()
    assert errors(project.verify(tmp_path / "venv")) == []


def test_every_sample_is_used():
    """No sample is left over, and none of them loses its own files to the repository's .gitignore."""
    elsewhere = {"docker-plain", "dockerignore", "dagster-config", "dagster-no-config", "dagster-no-ignore-file"}
    names = {path.name for path in SAMPLES.iterdir() if path.is_dir()}
    assert names == {*BROKEN, *SOUND, *elsewhere}
    for name in names:
        declared = list((SAMPLES / name).glob("src/*/defs/*/defs.yaml"))
        assert declared
        assert (SAMPLES / name / "pyproject.toml").is_file()
