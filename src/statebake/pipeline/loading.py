"""Loading the definitions in an artifact under seals, whatever kind it is."""

from __future__ import annotations

from collections.abc import Mapping

from statebake.config import Settings
from statebake.engine import Engine, open_engine
from statebake.errors import Code, StatebakeError
from statebake.hosts.sealing import SealedLoad
from statebake.model.manifest import Manifest
from statebake.pipeline.inspecting import Artifact
from statebake.pipeline.sealing import StatePlace, load_environment, load_image, load_pex, load_wheel
from statebake.verify.copies import find_places


def load_artifact(
    artifact: Artifact,
    place: StatePlace,
    settings: Settings,
    env: Mapping[str, str],
    *,
    python: str | None = None,
    in_image: str | None = None,
    engine: Engine | None = None,
) -> SealedLoad:
    """Load the definitions in ``artifact``, whose state is in ``place``.

    ``python``: an interpreter for what does not say which one it wants. ``in_image``: one inside of an image; ``None``:
    that of its command. ``engine``: the one that has the image.
    Raises ``StatebakeError``: ``NOT_SEALED``, ``NO_INTERPRETER``, and what the loads in ``sealing`` raise.
    """
    path = artifact.file
    if artifact.image is not None:
        if artifact.kind == "layout":
            raise StatebakeError(
                Code.NOT_SEALED,
                "Nothing in an image layout can be run as long as no engine has the image.",
                where=artifact.name,
                next_step="load it into the engine, then verify it by its name: docker load --input …",
            )
        return load_image(engine or open_engine(env), artifact.image.facts, place, settings, env, python=in_image)
    if artifact.kind == "pex":
        return load_pex(path, place, settings, env, python=python)
    if artifact.kind == "environment":
        return load_environment(path, place, settings, env, python=python)
    if python is None:
        raise StatebakeError(
            Code.NO_INTERPRETER,
            "A wheel has no interpreter and no dependencies of its own, so it cannot be loaded.",
            where=artifact.name,
            next_step="name an interpreter that has its dependencies: --python PATH",
        )
    return load_wheel(path, place, settings, env, python=python)


def find_place(artifact: Artifact, manifest: Manifest | None, host: str | None) -> StatePlace:
    """Return where an artifact has its state; ``host``: its framework, where that is known besides the manifest.

    Raises ``StatebakeError`` (``NOT_SEALED``) where nobody knows what to load.
    """
    host = host or (manifest.host.partition(" ")[0] if manifest else None)
    states = [state for state in artifact.states if state.manifest] or list(artifact.states)
    if host is None or not states:
        raise StatebakeError(
            Code.NOT_SEALED,
            "It has no manifest and no state, so nobody knows what to load."
            if not states
            else "It has no manifest, which would say for which framework it is.",
            where=artifact.name,
            next_step="name the project that it was made from: --project DIR",
        )
    if artifact.image is not None:
        return StatePlace(host, states[0].path)
    return StatePlace(host, (find_places(states, artifact.around) or (states[0].path,))[0])
