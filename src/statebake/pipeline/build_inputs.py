"""What an image is built from: where, by which Dockerfile, and what is written for the build."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path

from statebake.bake.files import try_output
from statebake.bake.image.context import IGNORE_FILE, ContextListing
from statebake.bake.image.plan import ImagePlan
from statebake.check import Snapshot
from statebake.engine import BuildRequest
from statebake.engine.request import must_be_others
from statebake.errors import Code, StatebakeError
from statebake.hosts import find_host
from statebake.model.image_reference import check_reference
from statebake.model.manifest import Manifest
from statebake.pipeline import OpenProject
from statebake.pipeline.baking import manifest_of
from statebake.pipeline.build_context import Dockerfile, check_context, choose_dockerfile, write_build_inputs
from statebake.pipeline.code import missing_in_image
from statebake.pipeline.image_options import ImageOptions
from statebake.pipeline.imaging import ImageParts, plan_image_of
from statebake.pipeline.made_by import given
from statebake.pipeline.workshop import Workshop
from statebake.progress import Observer

REFRESH_ARGUMENT = "STATEBAKE_REFRESH"
"""The build argument of a Dockerfile that fetches: with another value, it fetches anew."""
_IN_DOCKERFILE = ("base_image", "command", "port", "user", "template")
"""The settings that only a Dockerfile of statebake's goes by."""
_ADVICE = "mend what it names, a dependency most often; to look at the Dockerfile: statebake dockerfile"


@dataclass(frozen=True)
class ImageInputs:
    """What an image is made of, besides state.

    Attributes:
        parts: what statebake's Dockerfile would be made of, and what it reads.
        dockerfile: the one to build.
        options: what the command asks for.
        workshop: where it is built; ``None`` where nothing is.
    """

    parts: ImageParts
    dockerfile: Dockerfile
    options: ImageOptions
    workshop: Workshop | None = None

    @property
    def plan(self) -> ImagePlan:
        """The plan of the Dockerfile that statebake would write."""
        return self.parts.plan


@dataclass(frozen=True)
class BuildInputs:
    """What was written for a build: the directory, if its Dockerfile reads it, the manifest, and the build context."""

    directory: Path | None
    manifest: Manifest | None
    context: ContextListing | None


def prepare_image(
    opened: OpenProject, options: ImageOptions, env: Mapping[str, str], *, workshop: Future[Workshop] | None
) -> ImageInputs:
    """Return what an image is made of besides state: what is wrong with it shows before anything is fetched.

    Without a ``workshop`` nothing is going to be built. Raises ``StatebakeError``: ``BAD_SETTING``, ``BAD_REFERENCE``,
    ``BAD_TEMPLATE``, ``WRONG_PLATFORM``, ``OUTPUT_FAILED``, what ``open_workshops`` and ``plan_image_of`` say.
    """
    docker = opened.target.settings.docker
    for tag in docker.tags:
        check_reference(tag, where="--tag")
    if options.push and not docker.tags:
        raise StatebakeError(
            Code.BAD_SETTING, "An image without a name cannot be pushed.", next_step="name it: --tag HOST/PATH:TAG"
        )
    must_be_others(docker.args)
    shop = workshop.result() if workshop else None
    compat = shop.builder.compat if shop else None
    parts = plan_image_of(
        opened.target, env, discovery=opened.discovery, refresh=options.refresh_in_build, builder=compat
    )
    dockerfile = choose_dockerfile(opened, parts, refresh=options.refresh_in_build)
    inputs = ImageInputs(parts, dockerfile, options, shop)
    if shop is not None:
        _must_be_loadable(opened, shop)
        for path in filter(None, (options.iidfile, options.metadata_file)):
            try_output(path)  # when they are written, the image has its names already
        with open_request(opened, inputs) as request:
            shop.builder.check(request)
    return inputs


def _must_be_loadable(opened: OpenProject, shop: Workshop) -> None:
    """Raise ``WRONG_PLATFORM`` where nothing that is going to be built could be loaded here, and that is asked for."""
    settings, engine = opened.target.settings, shop.engine
    platforms = settings.docker.platforms
    if settings.bake.verify == "sealed" and platforms and not any(map(engine.runs, platforms)):
        raise StatebakeError(
            Code.WRONG_PLATFORM,
            f"The image would be for {', '.join(platforms)}, and this engine runs {engine.facts.platform}: nothing "
            "could be loaded.",
            where="bake.verify",
            next_step="bake it without --verify sealed, then, where it can run: statebake verify --sealed IMAGE",
        )


def prepare_build(
    opened: OpenProject,
    inputs: ImageInputs,
    snapshot: Snapshot | None,
    *,
    env: Mapping[str, str],
    observer: Observer,
) -> BuildInputs:
    """Write what a build reads, and see that its context contains all that the image must.

    ``snapshot`` is the state that was checked; ``None``: the build fetches it. Raises ``StatebakeError``:
    ``NOT_IN_CONTEXT``, ``OUTPUT_FAILED``.
    """
    settings = opened.target.settings
    manifest = manifest_of(opened, snapshot, env) if snapshot else None
    if inputs.dockerfile.outdated:
        observer.warning(f"{inputs.dockerfile.path} is out of date: {inputs.dockerfile.command}")
    ignored = given(opened.target, *(f"docker.{name}" for name in _IN_DOCKERFILE))
    if ignored and not inputs.dockerfile.ours:
        observer.warning(f"{inputs.dockerfile.path} is built as it is: {', '.join(ignored)} would change nothing in it")
    ours = inputs.dockerfile.ours and settings.docker.template is None
    if ours and (why := missing_in_image(opened, find_host(settings.host or opened.target.project.host))):
        observer.warning(
            f"The image has the project's files as they are, and nothing that a build makes besides: {why}. "
            "What needs that, needs a docker.template that installs the project."
        )
    directory = write_build_inputs(opened, inputs.parts, manifest) if inputs.dockerfile.reads_inputs else None
    whole = inputs.workshop is not None and inputs.workshop.builder.compat in {"classic", "buildah"}
    context = check_context(opened, inputs.parts, inputs.dockerfile, manifest, observer, whole=whole)
    return BuildInputs(directory, manifest, context if manifest else None)


@contextlib.contextmanager
def open_request(
    opened: OpenProject, inputs: ImageInputs, labels: Mapping[str, str] | None = None
) -> Iterator[BuildRequest]:
    """Give what is asked of the builder; a Dockerfile that is made for this build exists only meanwhile."""
    docker, dockerfile, shop = opened.target.settings.docker, inputs.dockerfile, inputs.workshop
    rules = dockerfile.rules
    by_builder = shop is not None and (not shop.builder.in_engine or len(docker.platforms) > 1)
    with contextlib.ExitStack() as stack:
        path = dockerfile.path
        if path is None:
            path = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="statebake-")), "Dockerfile")
            path.write_text(dockerfile.text, encoding="utf-8")
            ignored = dockerfile.ignore_text.encode("utf-8", "surrogateescape")
            path.with_name(f"{path.name}{IGNORE_FILE}").write_bytes(ignored)
        request = BuildRequest(
            context=inputs.plan.context,
            dockerfile=path,
            shown=_shown(dockerfile.path, inputs.options.directory),
            excluded=lambda path: rules.decide(path).excluded,
            output="registry" if inputs.options.push and by_builder else "engine",
            platforms=docker.platforms,
            secrets=docker.secrets,
            build_args=(*docker.build_args, *_fetch_anew(inputs, docker.build_args)),
            labels=labels or {},
            args=docker.args,
            directory=inputs.options.directory,
        )
        yield request if dockerfile.path else replace(request, advice=_ADVICE)


def _fetch_anew(inputs: ImageInputs, given: Sequence[str]) -> tuple[str, ...]:
    """Return the argument without which a builder takes the state of an earlier build out of its cache."""
    asked = inputs.options.refresh_in_build and not inputs.options.reuse_state
    known = REFRESH_ARGUMENT in inputs.dockerfile.text
    if not asked or not known or any(argument.partition("=")[0] == REFRESH_ARGUMENT for argument in given):
        return ()
    return (f"{REFRESH_ARGUMENT}={time.time_ns()}",)


def _shown(path: Path | None, directory: Path) -> str:
    if path is None:
        return "the Dockerfile that statebake made"
    return str(path.relative_to(directory) if path.is_relative_to(directory) else path)
