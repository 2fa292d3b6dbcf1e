"""Holding the state in an artifact to the ``schema`` of its key, as it is held in the work tree."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path

from statebake.check.policy import KeyFacts
from statebake.config import Settings, settings_for
from statebake.engine import open_engine
from statebake.model.keys import STATE_NAME, sanitize_key
from statebake.pipeline.inspecting import Artifact
from statebake.pipeline.schemas import StateToJudge, has_schemas
from statebake.verify.artifact import ArtifactState
from statebake.verify.tar import first_file


def states_of_artifact(
    artifact: Artifact, facts: Iterable[KeyFacts], settings: Settings, env: Mapping[str, str]
) -> Iterator[StateToJudge]:
    """Yield what there is in an artifact of keys with a schema; an image layout is not read for that."""
    if not has_schemas(settings) or artifact.kind == "layout":
        return
    for one in facts:
        schema, name = settings_for(settings, one.key, one.type).schema, sanitize_key(one.key)
        for state in artifact.states:
            summary = state.directories.get(name)
            if schema is not None and summary is not None and not summary.empty:
                read = partial(_read, artifact, state, name, env)
                yield StateToJudge(one.key, one.where or artifact.name, schema, partial(_judge, read))


def _judge(read: Callable[[], bytes | None], schema: Path) -> tuple[str | None, list[str]]:
    from statebake.refresh.json_schema import judge_content

    content = read()
    return ("is no file", []) if content is None else judge_content(content, schema)


def _read(artifact: Artifact, state: ArtifactState, name: str, env: Mapping[str, str]) -> bytes | None:
    """Return the content of a key's file ``state``; ``None``: it is a directory."""
    file = state.contents.get(name)
    if file is None:
        return None
    if not isinstance(file.content, str):
        with file.content() as stream:
            return stream.read()
    assert artifact.image is not None
    with open_engine(env).files(artifact.image.facts.id, f"{state.path}/{name}/{STATE_NAME}") as stream:
        return None if stream is None else first_file(stream, artifact.name)
