"""The second half of the line, for images: from checked state to a verified image.

An image gets its names, and is pushed, only after its state was found in it: a build that lost state leaves the image
that had the name before.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from statebake.bake.files import write_output
from statebake.bake.image.context import ContextListing
from statebake.bake.image.inputs import alone_with_inputs
from statebake.check import Snapshot
from statebake.engine import BuildEvent, BuildRequest, BuiltImage, EventKind
from statebake.engine.request import named_secrets
from statebake.errors import Code, StatebakeError
from statebake.model.manifest import Manifest
from statebake.model.report import Report
from statebake.pipeline import OpenProject
from statebake.pipeline.build_inputs import ImageInputs, open_request, prepare_build
from statebake.pipeline.gate import Verified, search_made, verify_made
from statebake.pipeline.hygiene import Searched
from statebake.pipeline.image_options import ImageOptions
from statebake.pipeline.inspecting import Artifact
from statebake.pipeline.proving import Proof, prove, reading
from statebake.pipeline.workshop import Workshop
from statebake.progress import Observer
from statebake.verify.image import read_image
from statebake.verify.oci_layout import ReadImage, read_layout

DIGEST_LABEL = "io.statebake.manifest-digest"
REVISION_LABEL = "org.opencontainers.image.revision"


@dataclass(frozen=True)
class ImageReport:
    """What a build made.

    Attributes:
        verified: what was found in it. Unless that is fine, it has no name and is not pushed.
        proof: the image, or one for each platform, and the state that was proved to be in it.
        built: what the builder tells.
        tags: the names that the image has now.
        digest: the digest of its manifest or index, where it was pushed or the engine knows it.
        pushed: whether it was pushed.
        builder: what built it.
        loses: what that cannot do, a phrase each.
        context: the build context; ``None`` where the build fetched the state.
    """

    verified: Verified
    proof: Proof
    built: BuiltImage
    tags: tuple[str, ...]
    digest: str | None
    pushed: bool
    builder: str
    loses: tuple[str, ...] = ()
    context: ContextListing | None = None


def build_image(
    opened: OpenProject,
    inputs: ImageInputs,
    snapshot: Snapshot | None,
    *,
    cache_dir: Path,
    env: Mapping[str, str],
    observer: Observer,
) -> ImageReport:
    """Build the image, prove and verify that it carries the state, name it, and push it if that is asked for.

    ``snapshot`` is as in ``prepare_build``. ``cache_dir``: where it is remembered which layers have no secret in them.
    Raises ``StatebakeError``: ``NOT_IN_CONTEXT``, ``ARTIFACT_MISMATCH``, ``PUSH_FAILED``, ``OUTPUT_FAILED``, what
    builders raise, and what ``verify_made`` raises.
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
        request = stack.enter_context(open_request(opened, inputs, _labels(written.manifest)))
        build = _Build(opened, inputs, inputs.workshop, request, written.manifest, snapshot, env, observer, cache_dir)
        apart = len(request.platforms) > 1 or request.output != "engine"
        made = build.apart() if apart else build.in_engine()
    passed = not made.verified.exit
    if passed:
        _write_reports(options, made.built)
    return ImageReport(
        verified=made.verified,
        proof=made.proof,
        built=made.built,
        tags=opened.target.settings.docker.tags if passed else (),
        digest=made.digest,
        pushed=options.push and passed,
        builder=builder.title,
        loses=builder.loses,
        context=written.context,
    )


@dataclass(frozen=True)
class _Made:
    """What a build made: without a name where it was not ``verified``."""

    built: BuiltImage
    proof: Proof
    verified: Verified
    digest: str | None = None


@dataclass(frozen=True)
class _Build:
    """One build, by either of its two ways."""

    opened: OpenProject
    inputs: ImageInputs
    shop: Workshop
    request: BuildRequest
    manifest: Manifest | None
    snapshot: Snapshot | None
    env: Mapping[str, str]
    observer: Observer
    cache_dir: Path

    @property
    def _tags(self) -> tuple[str, ...]:
        return self.opened.target.settings.docker.tags

    def in_engine(self) -> _Made:
        """Build into the engine, without a name until the image was proved."""
        engine = self.shop.engine
        built = self.shop.builder.build(self.request, _listener(self.observer))
        self.observer.stage("Proving that the state is in it")
        with reading():
            image = read_image(engine, built.id, everywhere=not self.inputs.dockerfile.ours, find_layers=True)
        proof = self._prove([image])
        self.observer.stage("Searching it for secrets")
        verified = self._verified([self._verify(image, proof, self._search(self._artifact(image), proof))])
        if verified.exit:
            return _Made(built, proof, verified)
        for tag in self._tags:
            engine.tag(built.id, tag)
        digest = built.digest
        if self.inputs.options.push:
            for tag in self._tags:
                self.observer.stage(f"Pushing {tag}")
                digest = engine.push(tag, self.observer.step_prints) or digest
        return _Made(built, proof, verified, digest)

    def apart(self) -> _Made:
        """Build where the engine does not have the image afterwards: into an archive, which is read, and then again.

        The second build finds everything in the cache, so it gives the same images; their digests say so.
        """
        builder, push = self.shop.builder, self.inputs.options.push
        with tempfile.TemporaryDirectory(prefix="statebake-") as place:
            layout = Path(place, "image.tar")
            built = builder.build(replace(self.request, output="layout", layout=layout), _listener(self.observer))
            self.observer.stage("Proving that the state is in it")
            with reading():
                images = read_layout(layout)
            proof = self._prove(images)
            self.observer.stage("Searching it for secrets")
            searched = [self._search_apart(image, layout, proof) for image in images]
        verified = self._verified(
            [self._verify_apart(image, proof, found) for image, found in zip(images, searched, strict=True)]
        )
        if verified.exit:
            return _Made(built, proof, verified)
        self.observer.stage("Pushing it" if push else "Loading it into the engine")
        output = replace(self.request, output="registry" if push else "engine", tags=self._tags)
        last = builder.build(output, lambda _: None)
        proved = {image.facts.id for image in images}
        # Not the digest of the whole: attestations, which a builder may add, say when it was built.
        if push and any(builder.pushed(tag) != proved for tag in self._tags):
            raise StatebakeError(
                Code.ARTIFACT_MISMATCH,
                f"What was pushed, {last.digest}, is not what was proved, {', '.join(sorted(proved))}: some step gives "
                "other bytes each time.",
                where=", ".join(self._tags),
                next_step="build in the engine's own builder, where an image is pushed after it was proved",
            )
        return _Made(last, proof, verified, last.digest)

    def _prove(self, images: Sequence[ReadImage]) -> Proof:
        return prove(self.opened, self.inputs.plan, images, self.manifest, ours=self.inputs.dockerfile.ours)

    def _verified(self, reports: Sequence[Report]) -> Verified:
        return Verified(self.opened.target.settings.bake.verify, tuple(reports))

    def _artifact(self, image: ReadImage) -> Artifact:
        facts, from_source = image.facts, self.inputs.parts.from_source
        return Artifact(facts.id, "image", facts.size, image.states, image.around, image, from_source=from_source)

    def _search_apart(self, image: ReadImage, layout: Path, proof: Proof) -> Searched:
        name = f"{image.facts.id} ({image.facts.platform})"
        return self._search(replace(self._artifact(image), name=name, kind="layout", at=layout), proof)

    def _search(self, artifact: Artifact, proof: Proof) -> Searched:
        return search_made(
            self.opened,
            artifact,
            proof.manifest,
            env=self.env,
            engine=self.shop.engine,
            given=named_secrets(self.request, self.env),
            cache_dir=self.cache_dir,
        )

    def _verify_apart(self, image: ReadImage, proof: Proof, searched: Searched) -> Report:
        """Verify an image that the engine has not got; it gets the one that it can run, to load it."""
        sealed = self.opened.target.settings.bake.verify == "sealed"
        if not sealed:
            return self._verify(image, proof, searched)
        if not self.shop.engine.runs(image.facts.platform):
            report = self._verify(image, proof, searched, load=False)
            note = f"It was not loaded: this engine runs {self.shop.engine.facts.platform}."
            return replace(report, notes=(*report.notes, note))
        self.observer.stage("Loading it into the engine")
        alone = replace(self.request, output="engine", tags=(), platforms=(image.facts.platform,))
        here = self.shop.engine.image(self.shop.builder.build(alone, lambda _: None).id)
        return self._verify(replace(image, facts=here), proof, searched)

    def _verify(self, image: ReadImage, proof: Proof, searched: Searched, *, load: bool = True) -> Report:
        return verify_made(
            self.opened,
            self._artifact(image),
            proof.manifest,
            self.snapshot,
            env=self.env,
            observer=self.observer,
            load=load,
            engine=self.shop.engine,
            searched=searched,
        )


def _labels(manifest: Manifest | None) -> dict[str, str]:
    if manifest is None:
        return {}
    labels = {DIGEST_LABEL: f"sha256:{manifest.sha256()}"}
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
