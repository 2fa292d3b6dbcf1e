"""The second half of the line, for images: from checked state to a proved image.

An image gets its names, and is pushed, only after its state was found in it: a build that lost state leaves the image
that had the name before.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from statebake.bake.files import write_output
from statebake.bake.image.context import IGNORE_FILE, ContextListing
from statebake.bake.image.inputs import alone_with_inputs
from statebake.bake.image.plan import ImagePlan
from statebake.check import Snapshot
from statebake.engine import (
    BuildEvent,
    BuildRequest,
    BuiltImage,
    EventKind,
)
from statebake.engine.request import must_be_others
from statebake.errors import Code, StatebakeError
from statebake.model.image_reference import check_reference
from statebake.model.manifest import Manifest
from statebake.pipeline import OpenProject
from statebake.pipeline.baking import manifest_of
from statebake.pipeline.build_context import (
    Dockerfile,
    check_context,
    choose_dockerfile,
    write_build_inputs,
)
from statebake.pipeline.imaging import ImageParts, plan_image_of
from statebake.pipeline.proving import Proof, prove, reading
from statebake.pipeline.workshop import Workshop
from statebake.progress import Observer
from statebake.verify.image import read_image
from statebake.verify.oci_layout import read_layout

_ADVICE = "mend what it names, a dependency most often; to look at the Dockerfile: statebake dockerfile"
DIGEST_LABEL = "io.statebake.manifest-digest"
REVISION_LABEL = "org.opencontainers.image.revision"


@dataclass(frozen=True)
class ImageOptions:
    """What a command asks for besides the settings: to push, to fetch in the build, and where to write reports.

    ``directory`` is what relative paths in secrets and in arguments of the builder start from.
    """

    directory: Path
    push: bool = False
    refresh_in_build: bool = False
    iidfile: Path | None = None
    metadata_file: Path | None = None


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


@dataclass(frozen=True)
class ImageReport:
    """What a build made.

    Attributes:
        proof: the image, or one for each platform, and the state that was proved to be in it.
        built: what the builder tells.
        tags: the names that the image has now.
        digest: the digest of its manifest or index, where it was pushed or the engine knows it.
        pushed: whether it was pushed.
        builder: what built it.
        loses: what that cannot do, a phrase each.
        context: the build context; ``None`` where the build fetched the state.
    """

    proof: Proof
    built: BuiltImage
    tags: tuple[str, ...]
    digest: str | None
    pushed: bool
    builder: str
    loses: tuple[str, ...] = ()
    context: ContextListing | None = None


def prepare_image(
    opened: OpenProject, options: ImageOptions, env: Mapping[str, str], *, workshop: Future[Workshop] | None
) -> ImageInputs:
    """Return what an image is made of besides state: what is wrong with it shows before anything is fetched.

    Without a ``workshop`` nothing is going to be built. Raises ``StatebakeError``: ``BAD_SETTING``, ``BAD_REFERENCE``,
    ``BAD_TEMPLATE``, what ``open_workshops`` and ``plan_image_of`` say.
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
        with _request(opened, inputs) as request:
            shop.builder.check(request)
    return inputs


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
    manifest = manifest_of(opened, snapshot, env) if snapshot else None
    if inputs.dockerfile.outdated:
        observer.warning(f"{inputs.dockerfile.path} is out of date: statebake dockerfile")
    directory = write_build_inputs(opened, inputs.parts, manifest) if inputs.dockerfile.reads_inputs else None
    context = check_context(opened, inputs.parts, inputs.dockerfile, manifest, observer) if manifest else None
    return BuildInputs(directory, manifest, context)


def build_image(
    opened: OpenProject,
    inputs: ImageInputs,
    snapshot: Snapshot | None,
    *,
    env: Mapping[str, str],
    observer: Observer,
) -> ImageReport:
    """Build the image, prove that it carries the state, name it, and push it if that is asked for.

    ``snapshot`` is as in ``prepare_build``. Raises ``StatebakeError``: ``NOT_IN_CONTEXT``, ``ARTIFACT_MISMATCH``,
    ``PUSH_FAILED``, ``OUTPUT_FAILED``, and what builders raise.
    """
    options = inputs.options
    assert inputs.workshop is not None
    builder = inputs.workshop.builder
    with contextlib.ExitStack() as stack:
        if inputs.dockerfile.reads_inputs:
            waiting = partial(observer.stage, "Waiting for another bake of this project")
            stack.enter_context(alone_with_inputs(opened.target.project.directory, waiting))
        written = prepare_build(opened, inputs, snapshot, env=env, observer=observer)
        observer.stage(f"Building with {builder.title}")
        request = stack.enter_context(_request(opened, inputs, _labels(written.manifest)))
        apart = len(request.platforms) > 1 or request.output != "engine"
        make = _build_apart if apart else _build_in_engine
        built, proof, digest = make(opened, inputs, request, written.manifest, observer)
    _write_reports(options, built)
    return ImageReport(
        proof=proof,
        built=built,
        tags=opened.target.settings.docker.tags,
        digest=digest,
        pushed=options.push,
        builder=builder.title,
        loses=builder.loses,
        context=written.context,
    )


_Made = tuple[BuiltImage, Proof, "str | None"]


def _build_in_engine(
    opened: OpenProject, inputs: ImageInputs, request: BuildRequest, manifest: Manifest | None, observer: Observer
) -> _Made:
    """Build into the engine, without a name until the image was proved."""
    shop, tags = inputs.workshop, opened.target.settings.docker.tags
    assert shop is not None
    engine = shop.engine
    built = shop.builder.build(request, _listener(observer))
    observer.stage("Proving that the state is in it")
    ours = inputs.dockerfile.ours
    with reading():
        image = read_image(engine, built.id, everywhere=not ours, find_layers=True)
    proof = prove(opened, inputs.plan, [image], manifest, ours=ours)
    for tag in tags:
        engine.tag(built.id, tag)
    digest = built.digest
    if inputs.options.push:
        for tag in tags:
            observer.stage(f"Pushing {tag}")
            digest = engine.push(tag, observer.step_prints) or digest
    return built, proof, digest


def _build_apart(
    opened: OpenProject, inputs: ImageInputs, request: BuildRequest, manifest: Manifest | None, observer: Observer
) -> _Made:
    """Build where the engine does not have the image afterwards: into an archive, which is read, and then again.

    The second build finds everything in the cache, so it gives the same images; their digests say so.
    """
    assert inputs.workshop is not None
    builder, push = inputs.workshop.builder, inputs.options.push
    with tempfile.TemporaryDirectory(prefix="statebake-") as place:
        layout = Path(place, "image.tar")
        builder.build(replace(request, output="layout", layout=layout), _listener(observer))
        observer.stage("Proving that the state is in it")
        with reading():
            images = read_layout(layout)
        proof = prove(opened, inputs.plan, images, manifest, ours=inputs.dockerfile.ours)
    observer.stage("Pushing it" if push else "Loading it into the engine")
    tags = opened.target.settings.docker.tags
    last = builder.build(replace(request, output="registry" if push else "engine", tags=tags), lambda _: None)
    proved = {image.facts.id for image in images}
    # Not the digest of the whole: attestations, which a builder may add, say when it was built.
    if push and any(builder.pushed(tag) != proved for tag in tags):
        raise StatebakeError(
            Code.ARTIFACT_MISMATCH,
            f"What was pushed, {last.digest}, is not what was proved, {', '.join(sorted(proved))}: some step gives "
            "other bytes each time.",
            where=", ".join(tags),
            next_step="build in the engine's own builder, where an image is pushed after it was proved",
        )
    return last, proof, last.digest


@contextlib.contextmanager
def _request(
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
            build_args=docker.build_args,
            labels=labels or {},
            args=docker.args,
            directory=inputs.options.directory,
        )
        yield request if dockerfile.path else replace(request, advice=_ADVICE)


def _shown(path: Path | None, directory: Path) -> str:
    if path is None:
        return "the Dockerfile that statebake made"
    return str(path.relative_to(directory) if path.is_relative_to(directory) else path)


def _labels(manifest: Manifest | None) -> dict[str, str]:
    if manifest is None:
        return {}
    labels = {DIGEST_LABEL: f"sha256:{hashlib.sha256(manifest.dumps().encode()).hexdigest()}"}
    return {**labels, REVISION_LABEL: manifest.revision} if manifest.revision else labels


def _listener(observer: Observer) -> Callable[[BuildEvent], None]:
    def listen(event: BuildEvent) -> None:
        if event.kind is EventKind.OUTPUT:
            observer.step_prints(event.text)
        elif event.step.is_instruction and event.kind in {EventKind.CACHED, EventKind.DONE}:
            title = f"[{event.step.place}] {event.step.name}"
            observer.step_ends(title, None if event.kind is EventKind.CACHED else event.seconds)

    return listen


def _write_reports(options: ImageOptions, built: BuiltImage) -> None:
    """Write the files that ``docker build`` writes too, but of an image that was proved."""
    metadata = json.dumps(dict(built.metadata), indent=2)
    for path, content in ((options.iidfile, built.id), (options.metadata_file, metadata)):
        if path is not None:
            write_output(path, content.encode())
