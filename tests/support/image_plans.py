"""Plans of images, every field with a default."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from statebake.bake.image.plan import ImagePlan, Source


def image_plan(**fields: Any) -> ImagePlan:
    """Return the plan of a small native project's image."""
    given: dict[str, Any] = {
        "context": Path("/project"),
        "prefix": "",
        "project": "shop",
        "version": "1.0",
        "description": None,
        "builder": "buildkit",
        "base_image": "python:3.12-slim",
        "sources": (Source("src", is_dir=True),),
        "import_root": "src",
        "state": "src/shop/defs/.local_defs_state",
        "config": False,
        "local_dependencies": (),
        "command": ("python", "-m", "shop"),
        "health": (),
        "port": None,
        "user": "1000:1000",
        "environment": {"PYTHONPATH": "/app/src"},
    }
    return ImagePlan(**{**given, **fields})


def dagster_plan(**fields: Any) -> ImagePlan:
    """Return the plan of a Dagster project's image: in a larger context, and with what only Dagster has."""
    return image_plan(
        **{
            "context": Path("/work"),
            "prefix": "apps/depot/",
            "project": "depot",
            "description": 'Everything "in" stock',
            "sources": (Source("depot", is_dir=True), Source("helpers.py", is_dir=False)),
            "import_root": ".",
            "state": "depot/defs/.local_defs_state",
            "config": True,
            "local_dependencies": ("libs/common",),
            "command": ("dagster", "api", "grpc", "-h", "0.0.0.0", "-p", "4000", "-m", "depot.definitions"),
            "health": ("dagster", "api", "grpc-health-check", "-p", "4000"),
            "port": 4000,
            "environment": {"DAGSTER_DISABLE_TELEMETRY": "yes", "PYTHONPATH": "/app"},
            **fields,
        }
    )
