"""Making an artifact that carries the state."""

from statebake.bake.dependencies import ResolvedDependencies, resolve_dependencies
from statebake.bake.dependency_source import DependencySource, find_dependencies
from statebake.bake.manifest import build_manifest, runtime_keys
from statebake.bake.pex import build_pex
from statebake.bake.plan import BakePlan, plan_pex
from statebake.bake.sources import SourceFile, collect_sources
from statebake.bake.state_files import StateFile

__all__ = [
    "BakePlan",
    "DependencySource",
    "ResolvedDependencies",
    "SourceFile",
    "StateFile",
    "build_manifest",
    "build_pex",
    "collect_sources",
    "find_dependencies",
    "plan_pex",
    "resolve_dependencies",
    "runtime_keys",
]
