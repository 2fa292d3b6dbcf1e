"""Reports as ``verify`` makes them: one with everything in it, one with nothing wrong, one that is hostile."""

from __future__ import annotations

from pathlib import Path

from statebake.errors import Code
from statebake.model.finding import Finding, Severity
from statebake.model.report import KeyResult, Report

DIGEST = "sha256:" + "0123456789abcdef" * 4
TABLES, DBT, NEWS = "Tables[main]", "DbtProjectComponent[jaffle]", "News[https://x.example/y]"


def shop(root: Path) -> Path:
    """Make a repository with a project in a directory of it, whose declarations are there; return the project's."""
    project = root / "projects" / "shop"
    defs = project / "src/shop/defs/things/defs.yaml"
    defs.parent.mkdir(parents=True)
    defs.write_text("type: shop.Tables\n---\ntype: shop.Dbt\n---\ntype: shop.News\n")
    (project / "pyproject.toml").write_text("[project]\nname = 'shop'\n")
    (project / "dist").mkdir()
    (project / "dist/shop.pex").write_text("a zip file")
    (root / ".git").mkdir()
    return project


def broken(project: Path) -> Report:
    """Return a report with errors of several codes, warnings, and findings that are about no key."""
    return Report(
        command="verify",
        subject=str(project / "dist/shop.pex"),
        kind="pex",
        checks=("3 keys compared with src/shop", "4 files searched for 2 secrets", "Loaded in 0.4 s, sealed."),
        findings=(
            Finding(
                Code.MISSING_STATE,
                Severity.ERROR,
                TABLES,
                "No state: shop/defs/.local_defs_state/Tables__main__/state is missing.",
                "src/shop/defs/things/defs.yaml:1",
                "statebake refresh --key 'Tables[main]'",
            ),
            Finding(
                Code.DIGEST_MISMATCH,
                Severity.ERROR,
                DBT,
                "The state is not what was fetched: its digest is 0123456789ab, the record says ba9876543210.",
                "shop/defs/.local_defs_state/DbtProjectComponent__jaffle__",
                "statebake bake pex",
            ),
            Finding(
                Code.MISSING_STATE,
                Severity.ERROR,
                NEWS,
                "No state: shop/defs/.local_defs_state/News__x__/state is missing.",
                "src/shop/defs/things/defs.yaml:5",
                "statebake refresh --key 'News[https://x.example/y]'",
            ),
            Finding(
                Code.BAD_RECORD,
                Severity.ERROR,
                None,
                "The manifest is damaged: line 3 is no JSON.",
                "shop/defs/.local_defs_state/statebake-manifest.json:3",
                "statebake bake pex",
            ),
            Finding(
                Code.NO_IGNORE_FILE,
                Severity.WARNING,
                None,
                "The state directory has no .gitignore.",
                "shop/defs/.local_defs_state",
                "statebake bake pex",
            ),
        ),
        keys=(
            KeyResult(TABLES, "src/shop/defs/things/defs.yaml:1", "missing", opened=False, definitions=0),
            KeyResult(DBT, "src/shop/defs/things/defs.yaml:3", "changed", 7200.0, 48_213, 31, DIGEST, True, 14),
            KeyResult(NEWS, "src/shop/defs/things/defs.yaml:5", "missing", opened=False, definitions=0),
        ),
        notes=("The seal is a network namespace: it cannot see what a name would have resolved to.",),
        directory=str(project),
    )


def sound(project: Path) -> Report:
    """Return a report with nothing wrong in it."""
    return Report(
        command="verify",
        subject="registry.example.com/shop:1 (linux/arm64)",
        kind="image",
        checks=("1 key compared with the manifest",),
        findings=(),
        keys=(KeyResult(TABLES, "src/shop/defs/things/defs.yaml:1", "ok", 60.0, 1_234_567, 3, DIGEST),),
        directory=str(project),
    )


def report_with(text: str) -> Report:
    """Return a report in which ``text`` stands wherever somebody else's text can."""
    return Report(
        command="verify",
        subject=text,
        kind="pex",
        checks=(text,),
        findings=(
            Finding(Code.MISSING_STATE, Severity.ERROR, text, text, text, text),
            Finding(Code.STALE_STATE, Severity.WARNING, None, text, None, text),
        ),
        keys=(KeyResult(text, text, text, 1.0, 2, 3, DIGEST, True, 4),),
        notes=(text,),
    )
