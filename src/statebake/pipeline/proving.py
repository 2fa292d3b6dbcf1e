"""Proving that an image carries the state: what was checked before the build, or what its own build fetched."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from statebake.bake.image.plan import ImagePlan
from statebake.errors import Code, StatebakeError
from statebake.hosts import find_host
from statebake.model.manifest import Manifest
from statebake.pipeline import OpenProject
from statebake.verify import artifact_error, compare, compare_content
from statebake.verify.oci_layout import ReadImage


@dataclass(frozen=True)
class Proof:
    """The images that were read, what they carry, and what is strange in them and no error, a sentence each."""

    images: tuple[ReadImage, ...]
    manifest: Manifest
    odd: tuple[str, ...] = ()


@contextlib.contextmanager
def reading() -> Iterator[None]:
    """Turn state that cannot be read, as in an image with a link in its place, into state that is not carried."""
    try:
        yield
    except StatebakeError as error:
        if error.code is not Code.NOT_AN_ARTIFACT:
            raise
        raise StatebakeError(
            Code.ARTIFACT_MISMATCH,
            f"The artifact does not carry the state that was checked. {error.message}",
            where=error.where,
            next_step="see in the Dockerfile which COPY brings the state in, or changes it",
        ) from error


def prove(
    opened: OpenProject, plan: ImagePlan, images: Sequence[ReadImage], manifest: Manifest | None, *, ours: bool
) -> Proof:
    """Return the proof that every one of ``images`` carries the state.

    ``manifest`` is what was checked; ``None``: the image's own counts. ``ours``: statebake's Dockerfile made them.
    Raises ``StatebakeError`` (``ARTIFACT_MISMATCH``).
    """
    odd: list[str] = []
    proved = manifest
    for image in images:
        where = f"image {image.facts.id} ({image.facts.platform})"
        if manifest is None:
            proved = _own_manifest(opened, image, where)
        elif ours:
            compare(image.states, manifest, where)
        else:
            host = find_host(opened.target.settings.host or opened.target.project.host)
            place = _imported(plan)
            odd += compare_content(
                image.states,
                manifest,
                place,
                where,
                needs_ignore_file=not host.brings_runtime,
                user=image.facts.user,
            )
    assert proved is not None
    return Proof(tuple(images), proved, tuple(dict.fromkeys(odd)))


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
    manifest = found[0].manifest
    if missing := set(opened.discovery.local_keys) - {record.key for record in manifest.keys}:
        raise StatebakeError(
            Code.ARTIFACT_MISMATCH,
            f"The image does not carry the state of {', '.join(sorted(missing))}.",
            where=where,
            next_step="build again without the cache: statebake bake docker --docker-arg=--no-cache",
        )
    return manifest


def _imported(plan: ImagePlan) -> str:
    """Return the state directory's path as its package is imported: ``shop/defs/.local_defs_state``."""
    return plan.state if plan.import_root == "." else plan.state.removeprefix(f"{plan.import_root}/")
