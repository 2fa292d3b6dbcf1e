"""What Dagster itself needs to find a project's state-backed components: the peer of statebake's discovery.

    DAGSTER_PYTHON benchmarks/bare_dagster.py PROJECT

Import, component tree, and every component's key; the same calls as ``dg utils refresh-defs-state`` makes.
"""

from __future__ import annotations

import sys
from pathlib import Path


def main() -> None:
    """Print how many components the project has."""
    project = Path(sys.argv[1])
    sys.path[0] = str(project / "src")

    from dagster.components.component.state_backed_component import StateBackedComponent
    from dagster.components.core.component_tree import ComponentTree

    tree = ComponentTree.for_project(project)
    components = tree.get_all_components(of_type=StateBackedComponent)
    print(len({component.defs_state_config.key for component in components}))


if __name__ == "__main__":
    main()
