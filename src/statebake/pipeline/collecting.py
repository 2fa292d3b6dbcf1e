"""Removing state that no component uses."""

from __future__ import annotations

from statebake.check.garbage import CollectionPlan, plan_collection, read_leftovers
from statebake.model.discard import discard_keys
from statebake.model.transaction import is_unfinished, open_staging
from statebake.pipeline import OpenProject


def plan(opened: OpenProject, *, unrecorded: bool) -> CollectionPlan:
    """Return what would be removed; see ``plan_collection``."""
    leftovers = read_leftovers(opened.state_dir, opened.discovery.keys)
    return plan_collection(opened.discovery, leftovers, unrecorded=unrecorded)


def collect(opened: OpenProject, *, unrecorded: bool) -> CollectionPlan:
    """Remove what ``plan`` says, and what a killed process left, while no refresh is at it; return what that was.

    Raises ``StatebakeError``: as ``plan_collection``, ``open_staging`` and ``discard_keys`` do.
    """
    found = plan(opened, unrecorded=unrecorded)
    if not found.remove and not is_unfinished(opened.state_dir):
        return found
    with open_staging(opened.state_dir) as staging:
        found = plan(opened, unrecorded=unrecorded)  # anew: a refresh may have ended meanwhile
        discard_keys(opened.state_dir, [leftover.path.name for leftover in found.remove], staging)
    return found
