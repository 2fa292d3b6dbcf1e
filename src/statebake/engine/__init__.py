"""The container engine: finding it, building with it, and reading the images in it."""

from __future__ import annotations

from statebake.engine.builder import Builder, choose_builder
from statebake.engine.client import Engine, EngineFacts, open_engine
from statebake.engine.events import BuildEvent, EventKind, Step
from statebake.engine.image import ImageFacts, Layer
from statebake.engine.request import BuildRequest, BuiltImage

__all__ = [
    "BuildEvent",
    "BuildRequest",
    "Builder",
    "BuiltImage",
    "Engine",
    "EngineFacts",
    "EventKind",
    "ImageFacts",
    "Layer",
    "Step",
    "choose_builder",
    "open_engine",
]
