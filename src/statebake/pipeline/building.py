"""The second half of the line, for images: from checked state to a proved image.

An image gets its names, and is pushed, only after its state was found in it: a build that lost state leaves the image
that had the name before.
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from statebake.bake.files import replace_file
from statebake.bake.image.context import ContextFile, ContextListing, find_ignore_file, read_context
from statebake.bake.image.context_check import Required, must_contain
from statebake.bake.image.dockerfile import render_dockerfile
from statebake.bake.image.generated import FileState, state_of
from statebake.bake.image.ignore_file import block_lines, merge_block
from statebake.bake.image.ignore_rules import Rules, parse_rules
from statebake.bake.image.inputs import write_inputs
from statebake.bake.image.plan import ImagePlan
from statebake.check import Snapshot
from statebake.engine import (
    Builder,
    BuildEvent,
    BuildRequest,
    BuiltImage,
    Engine,
    EventKind,
    choose_builder,
    open_engine,
)
from statebake.errors import Code, StatebakeError
from statebake.hosts import find_host
from statebake.model.image_reference import check_reference
from statebake.model.keys import IGNORE_NAME, MANIFEST_NAME, RECORD_NAME, sanitize_key
from statebake.model.manifest import Manifest
from statebake.model.tree import list_files
from statebake.pipeline import OpenProject
from statebake.pipeline.baking import manifest_of
from statebake.pipeline.imaging import ImageParts, plan_image_of
from statebake.progress import Observer
from statebake.verify import artifact_error, compare, compare_content
from statebake.verify.image import read_image
from statebake.verify.oci_layout import ReadImage, read_layout

IGNORE_FILE = ".dockerignore"
LARGE_CONTEXT = 1_000_000_000
"""A build context of more bytes than this is probably a mistake."""
DIGEST_LABEL = "io.statebake.manifest-digest"
REVISION_LABEL = "org.opencontainers.image.revision"


@dataclass(frozen=True)
class ImageOptions:
    """What the command asks for besides the settings: where to write reports, and whether the build fetches."""

    push: bool = False
    refresh_in_build: bool = False
    iidfile: Path | None = None
    metadata_file: Path | None = None


@dataclass(frozen=True)
class Dockerfile:
    """The Dockerfile of a build, and what keeps files out of its context.

    Attributes:
        path: where it is; ``None``: it is made for this build alone.
        text: what is in it.
        ours: statebake made it, and it is as it was made.
        outdated: it is ours, and would be another one now.
        ignore_name: what to call the ignore file in messages; ``ignore_text`` is ``None`` where there is none.
    """

    path: Path | None
    text: str
    ours: bool
    outdated: bool
    ignore_name: str
    ignore_text: str | None

    @property
    def rules(self) -> Rules:
        """What is kept out of the context."""
        return parse_rules(self.ignore_text or "", self.ignore_name)


@dataclass(frozen=True)
class ImageInputs:
    """What an image is made of, besides state; ``engine`` and ``builder`` are ``None`` where nothing is built."""

    parts: ImageParts
    dockerfile: Dockerfile
    engine: Engine | None
    builder: Builder | None

    @property
    def plan(self) -> ImagePlan:
        """The plan of the Dockerfile that statebake would write."""
        return self.parts.plan


@dataclass(frozen=True)
class ImageReport:
    """What a build made.

    Attributes:
        images: the image, or one for each platform.
        tags: the names that it has now.
        digest: the digest of its manifest or index, where it was pushed or the engine knows it.
        manifest: the state that was proved to be in it.
        builder: what built it; ``loses``: what that cannot do.
        needed: the bytes of the build context that the image is made of; ``sent``: those that the builder took.
        seconds: how long building took, and proving.
        odd: what is strange in it, and no error.
    """

    images: tuple[ReadImage, ...]
    tags: tuple[str, ...]
    digest: str | None
    manifest: Manifest
    builder: str
    loses: tuple[str, ...]
    cached: int
    ran: int
    context: ContextListing | None
    pushed: bool
    odd: tuple[str, ...] = ()


def prepare_image(
    opened: OpenProject, options: ImageOptions, env: Mapping[str, str], *, build: bool = True
) -> ImageInputs:
    """Return what an image is made of besides state: what is wrong with it shows before anything is fetched.

    Without ``build`` no engine is needed. Raises ``StatebakeError``: ``BAD_SETTING``, ``BAD_REFERENCE``,
    ``BAD_TEMPLATE``, ``ENGINE_MISSING``, ``ENGINE_UNREACHABLE``, ``ENGINE_DENIED``, and what ``plan_image_of`` raises.
    """
    docker = opened.target.settings.docker
    for tag in docker.tags:
        check_reference(tag, where="--tag")
    if options.push and not docker.tags:
        raise StatebakeError(
            Code.BAD_SETTING, "An image without a name cannot be pushed.", next_step="name it with --tag"
        )
    engine = open_engine(env) if build else None
    rules: list[Rules] = []
    builder = (
        choose_builder(
            engine, env, name=docker.builder, excluded=lambda path: any(r.decide(path).excluded for r in rules)
        )
        if engine
        else None
    )
    parts = plan_image_of(
        opened.target,
        env,
        discovery=opened.discovery,
        refresh=options.refresh_in_build,
        builder=builder.compat if builder else None,
    )
    dockerfile = _dockerfile(opened, parts, refresh=options.refresh_in_build)
    rules.append(dockerfile.rules)
    inputs = ImageInputs(parts, dockerfile, engine, builder)
    if builder is not None:
        with _request(opened, inputs, options, {}) as request:
            builder.check(request)
    return inputs


def write_build_inputs(opened: OpenProject, inputs: ImageInputs, manifest: Manifest | None) -> Path:
    """Write what a build of statebake's Dockerfile reads besides the project's code, and return the directory.

    Raises ``StatebakeError`` (``OUTPUT_FAILED``).
    """
    files = dict(inputs.parts.inputs.files)
    if manifest is not None:
        files[MANIFEST_NAME] = manifest.dumps().encode()
    return write_inputs(opened.target.project.directory, replace(inputs.parts.inputs, files=files))


def check_context(opened: OpenProject, inputs: ImageInputs, manifest: Manifest, observer: Observer) -> ContextListing:
    """See that the build context contains all that the image must, and warn where it is very large.

    Raises ``StatebakeError`` (``NOT_IN_CONTEXT``), which names the rules to blame and the lines that mend them.
    """
    plan, dockerfile = inputs.plan, inputs.dockerfile
    rules = dockerfile.rules
    must_contain(rules, _required(opened, inputs, manifest), dockerfile.ignore_name)
    listing = read_context(plan.context, rules, _copied(plan) if dockerfile.ours else None)
    if listing.bytes > LARGE_CONTEXT:
        observer.warning(
            f"The build context has {_gigabytes(listing.bytes)}: {', '.join(map(_sized, listing.largest))}. "
            f"What the image does not need can be left out with lines in {dockerfile.ignore_name}."
        )
    return listing


def build_image(
    opened: OpenProject,
    inputs: ImageInputs,
    options: ImageOptions,
    snapshot: Snapshot | None,
    env: Mapping[str, str],
    observer: Observer,
) -> ImageReport:
    """Build the image, prove that it carries the state, name it, and push it if that is asked for.

    ``snapshot`` is the state that was checked; ``None``: the build fetches it, and the image's own manifest counts.
    Raises ``StatebakeError``: ``NOT_IN_CONTEXT``, ``ARTIFACT_MISMATCH``, ``PUSH_FAILED``, ``OUTPUT_FAILED``, and what
    builders raise.
    """
    engine, builder = inputs.engine, inputs.builder
    assert engine is not None
    assert builder is not None
    manifest = manifest_of(opened, snapshot, env) if snapshot else None
    if inputs.dockerfile.ours:
        write_build_inputs(opened, inputs, manifest)
    context = check_context(opened, inputs, manifest, observer) if manifest else None
    settings = opened.target.settings.docker
    apart = len(settings.platforms) > 1 or (options.push and not builder.in_engine)
    labels = _labels(manifest)
    observer.stage(f"Building with {builder.title}")
    with _request(opened, inputs, options, labels) as request:
        if apart:
            built, images, odd, proved = _build_apart(opened, inputs, builder, request, manifest, observer, options)
        else:
            built = builder.build(request, _listener(observer))
            observer.stage("Proving that the state is in it")
            images = (read_image(engine, built.id, everywhere=not inputs.dockerfile.ours, find_layers=True),)
            odd, proved = _prove(opened, inputs, images, manifest)
            for tag in settings.tags:
                engine.tag(built.id, tag)
    digest = built.digest
    if options.push and not apart:
        for tag in settings.tags:
            observer.stage(f"Pushing {tag}")
            digest = engine.push(tag, observer.step_prints) or digest
    _write_reports(options, built)
    return ImageReport(
        images=images,
        tags=settings.tags,
        digest=digest,
        manifest=proved,
        builder=builder.title,
        loses=builder.loses,
        cached=built.cached,
        ran=built.ran,
        context=context,
        pushed=options.push,
        odd=odd,
    )


def _build_apart(
    opened: OpenProject,
    inputs: ImageInputs,
    builder: Builder,
    request: BuildRequest,
    manifest: Manifest | None,
    observer: Observer,
    options: ImageOptions,
) -> tuple[BuiltImage, tuple[ReadImage, ...], tuple[str, ...], Manifest]:
    """Build where the engine does not have the image afterwards: into an archive, which is read, and then again.

    The second build finds everything in the cache, so it is the same image; its digest says so.
    """
    settings = opened.target.settings.docker
    with tempfile.TemporaryDirectory(prefix="statebake-") as place:
        layout = Path(place, "image.tar")
        first = builder.build(replace(request, output="layout", layout=layout), _listener(observer))
        observer.stage("Proving that the state is in it")
        images = read_layout(layout)
        odd, proved = _prove(opened, inputs, images, manifest)
    observer.stage("Pushing it" if options.push else "Loading it into the engine")
    output = "registry" if options.push else "engine"
    last = builder.build(replace(request, output=output, tags=settings.tags), _listener(observer, quiet=True))
    if first.digest and last.digest and first.digest != last.digest and options.push:
        raise StatebakeError(
            Code.ARTIFACT_MISMATCH,
            f"What was pushed, {last.digest}, is not what was proved, {first.digest}: a step gives other bytes each time.",
            where=", ".join(settings.tags),
            next_step="build again; if it stays so, load the image into an engine first: leave --push out",
        )
    return last, images, odd, proved


def _prove(
    opened: OpenProject, inputs: ImageInputs, images: Sequence[ReadImage], manifest: Manifest | None
) -> tuple[tuple[str, ...], Manifest]:
    """Compare what images carry with what they must; return what is odd, and the state that was proved."""
    odd: list[str] = []
    proved = manifest
    for image in images:
        where = f"image {image.facts.id} ({image.facts.platform})"
        if manifest is None:
            proved = _own_manifest(opened, image, where)
        elif inputs.dockerfile.ours:
            compare(image.states, manifest, where)
        else:
            odd.extend(
                compare_content(
                    image.states,
                    manifest,
                    _imported(inputs.plan),
                    where,
                    needs_ignore_file=not find_host(
                        opened.target.settings.host or opened.target.project.host
                    ).brings_runtime,
                )
            )
    assert proved is not None
    return tuple(dict.fromkeys(odd)), proved


def _own_manifest(opened: OpenProject, image: ReadImage, where: str) -> Manifest:
    """Return the manifest of an image whose state its own build fetched, after the image was compared with it."""
    found = [state for state in image.states if state.manifest is not None]
    if len(found) != 1 or found[0].manifest is None:
        raise StatebakeError(
            Code.ARTIFACT_MISMATCH,
            f"The image has {len(found)} state directories with a manifest, not one.",
            where=where,
            next_step="write the Dockerfile anew: statebake dockerfile --refresh-in-build",
        )
    if error := artifact_error(found[0], where, "statebake bake docker"):
        raise error
    missing = set(opened.discovery.keys) - {record.key for record in found[0].manifest.keys}
    local = {
        key for key in missing if opened.discovery.components_of(key)[0].management_type.value == "LOCAL_FILESYSTEM"
    }
    if local:
        raise StatebakeError(
            Code.ARTIFACT_MISMATCH,
            f"The image does not carry the state of {', '.join(sorted(local))}.",
            where=where,
            next_step="build again without the cache: --docker-arg=--no-cache",
        )
    return found[0].manifest


def _dockerfile(opened: OpenProject, parts: ImageParts, *, refresh: bool) -> Dockerfile:
    """Return the Dockerfile to build: the one that is named, the project's own, or one made for this build."""
    project, docker = opened.target.project.directory, opened.target.settings.docker
    path = docker.file or project / "Dockerfile"
    fresh = render_dockerfile(parts.plan, docker.template)
    if path.is_file() and not (refresh and docker.file is None):
        text = path.read_text(encoding="utf-8", errors="replace")
        found = find_ignore_file(parts.plan.context, path)
        ignored = None if found is None else found.read_bytes().decode("utf-8", "surrogateescape")
        name = found.name if found else IGNORE_FILE
        ours = state_of(text) is FileState.INTACT
        return Dockerfile(path, text, ours, ours and text.replace("\r\n", "\n") != fresh, name, ignored)
    if docker.file is not None:
        raise StatebakeError(
            Code.BAD_SETTING,
            "The Dockerfile is not there.",
            where=str(docker.file),
            next_step="correct --file, or leave it out: statebake makes one for the build",
        )
    shared = parts.plan.context / IGNORE_FILE
    own = shared.read_bytes().decode("utf-8", "surrogateescape") if shared.is_file() else None
    return Dockerfile(None, fresh, True, False, IGNORE_FILE, merge_block(own, block_lines(parts.plan)))


@contextlib.contextmanager
def _request(
    opened: OpenProject, inputs: ImageInputs, options: ImageOptions, labels: Mapping[str, str]
) -> Iterator[BuildRequest]:
    """Give what is asked of the builder; a Dockerfile that is made for this build exists only meanwhile."""
    docker, dockerfile = opened.target.settings.docker, inputs.dockerfile
    with contextlib.ExitStack() as stack:
        path = dockerfile.path
        if path is None:
            path = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="statebake-")), "Dockerfile")
            path.write_text(dockerfile.text, encoding="utf-8")
            ignored = (dockerfile.ignore_text or "").encode("utf-8", "surrogateescape")
            path.with_name(f"{path.name}{IGNORE_FILE}").write_bytes(ignored)
        yield BuildRequest(
            context=inputs.plan.context,
            dockerfile=path,
            shown=str(dockerfile.path) if dockerfile.path else "the Dockerfile that statebake made",
            output="registry" if options.push and not (inputs.builder and inputs.builder.in_engine) else "engine",
            platforms=docker.platforms,
            secrets=docker.secrets,
            build_args=docker.build_args,
            labels=labels,
            args=docker.args,
            directory=Path.cwd(),
        )


def _required(opened: OpenProject, inputs: ImageInputs, manifest: Manifest) -> Required:
    plan = inputs.plan
    state = plan.state_in_context
    keys = {
        record.key: [
            f"{state}/{sanitize_key(record.key)}/{name}"
            for name in (
                RECORD_NAME,
                *(file.path for file in list_files(opened.state_dir / sanitize_key(record.key))),
            )
            if (opened.state_dir / sanitize_key(record.key) / name).exists()
        ]
        for record in manifest.keys
    }
    if not inputs.dockerfile.ours:
        return Required(state, keys, shared=[f"{state}/{IGNORE_NAME}"])
    sources = {
        f"{plan.prefix}{source.path}": _code(plan.context, f"{plan.prefix}{source.path}", plan.state_in_context)
        for source in plan.sources
    }
    generated = [f"{plan.inputs}/{name}" for name in (*inputs.parts.inputs.files, MANIFEST_NAME)]
    return Required(state, keys, sources={**sources, plan.inputs: generated})


def _code(context: Path, source: str, state: str) -> list[str]:
    """Return the Python files of a source: what a rule keeps out of these is no cache and no secret."""
    path = context / source
    if path.is_file():
        return [source]
    found = (file.relative_to(context).as_posix() for file in sorted(path.rglob("*.py")))
    return [name for name in found if not name.startswith(f"{state}/") and "/." not in f"/{name}"]


def _copied(plan: ImagePlan) -> list[str]:
    return [plan.inputs, *(f"{plan.prefix}{source.path}" for source in plan.sources), *plan.local_dependencies]


def _imported(plan: ImagePlan) -> str:
    """Return the state directory's path as its package is imported: ``shop/defs/.local_defs_state``."""
    return plan.state if plan.import_root == "." else plan.state.removeprefix(f"{plan.import_root}/")


def _labels(manifest: Manifest | None) -> dict[str, str]:
    if manifest is None:
        return {}
    labels = {DIGEST_LABEL: f"sha256:{hashlib.sha256(manifest.dumps().encode()).hexdigest()}"}
    return {**labels, REVISION_LABEL: manifest.revision} if manifest.revision else labels


def _listener(observer: Observer, *, quiet: bool = False) -> object:
    def listen(event: BuildEvent) -> None:
        title = f"[{event.step.place}] {event.step.name}" if event.step.place else event.step.name
        if event.kind is EventKind.OUTPUT:
            observer.step_prints(event.text)
        elif event.kind is EventKind.BEGAN:
            observer.step_begins(title)
        elif event.step.is_instruction and not quiet and event.kind in {EventKind.CACHED, EventKind.DONE}:
            observer.step_ends(title, None if event.kind is EventKind.CACHED else event.seconds)

    return listen


def _write_reports(options: ImageOptions, built: BuiltImage) -> None:
    """Write the files that ``docker build`` writes too, of an image that was proved."""
    import json

    for path, content in (
        (options.iidfile, built.id),
        (options.metadata_file, json.dumps(dict(built.metadata), indent=2)),
    ):
        if path is not None:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                replace_file(path, content.encode())
            except OSError as error:
                raise StatebakeError(
                    Code.OUTPUT_FAILED,
                    f"{path.name} cannot be written: {error.strerror or error}.",
                    where=str(path),
                    next_step="name another file",
                ) from error


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB"


def _sized(part: ContextFile) -> str:
    return f"{part.path} {_gigabytes(part.bytes)}"
