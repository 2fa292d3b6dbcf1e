"""Where statebake works and with which settings: projects, the cascade of options, the interpreter."""

from __future__ import annotations

from statebake.config.backends import backend_of
from statebake.config.build_options import split_config_settings
from statebake.config.build_project import BuildProject, find_build_project
from statebake.config.cascade import ResolvedConfig, resolve
from statebake.config.detect import configure, find_defs_dir, with_detected
from statebake.config.dg import DgProject
from statebake.config.environment import unknown_variables
from statebake.config.interpreter import (
    Interpreter,
    VirtualEnvironment,
    choose_python,
    configured_python,
    environments,
)
from statebake.config.modules import import_root, module_path, source_roots
from statebake.config.policy import selects, settings_for
from statebake.config.project import Project, find_projects
from statebake.config.render import markdown_table, render_rows
from statebake.config.schema import BY_NAME, SETTINGS, Kind, Setting
from statebake.config.settings import (
    BuilderCompat,
    CodeSetting,
    DepthOfVerification,
    DockerSettings,
    Limit,
    OnBuild,
    PexSettings,
    PolicySettings,
    SecretSettings,
    Settings,
)
from statebake.config.spelling import did_you_mean
from statebake.config.toml_file import TomlFile, load_if_there, load_toml, table_at
from statebake.config.values import show

__all__ = [
    "BY_NAME",
    "SETTINGS",
    "BuildProject",
    "BuilderCompat",
    "CodeSetting",
    "DepthOfVerification",
    "DgProject",
    "DockerSettings",
    "Interpreter",
    "Kind",
    "Limit",
    "OnBuild",
    "PexSettings",
    "PolicySettings",
    "Project",
    "ResolvedConfig",
    "SecretSettings",
    "Setting",
    "Settings",
    "TomlFile",
    "VirtualEnvironment",
    "backend_of",
    "choose_python",
    "configure",
    "configured_python",
    "did_you_mean",
    "environments",
    "find_build_project",
    "find_defs_dir",
    "find_projects",
    "import_root",
    "load_if_there",
    "load_toml",
    "markdown_table",
    "module_path",
    "render_rows",
    "resolve",
    "selects",
    "settings_for",
    "show",
    "source_roots",
    "split_config_settings",
    "table_at",
    "unknown_variables",
    "with_detected",
]
