"""A recipe: everything that a run must know of the pairs it makes. Stages of your own come as a recipe of your own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from storage.schema import FieldSpec
from storage.store import Sample
from tasks.chain import Chain, Made, Trace
from tasks.contract import Array
from tasks.sources import SourceRow


class Recipe(Protocol):
    """What the workers call. Constructed with the settings of :class:`flows.config.SynthesizeConfig`."""

    quality: tuple[str, ...]  # names of the quality numbers of a pair
    sizes: Mapping[str, int]  # letters of the field table
    fields: tuple[FieldSpec, ...]  # what the store holds of a pair

    @property
    def description(self) -> Mapping[str, Any]:
        """Everything that decides bytes besides the plan; JSON-able; goes into the store's fingerprint."""

    @property
    def textures(self) -> tuple[str, ...]:
        """Names of the textures that the plan draws from."""

    def annotate(self, photo: Path, name: str) -> list[SourceRow]:
        """Faces and rejects of one photograph, called ``name``; what is found is cached for :meth:`load`."""

    def load(self, source: str) -> Mapping[str, Array]:
        """Arrays of an annotated face, by its id."""

    def chain(self, head: str) -> Chain:
        """The stages for one head model."""

    def sample(self, made: Made) -> Sample:
        """What the store keeps of a pair."""

    def snapshot(self) -> dict[str, bytes]:
        """Small files that make the store readable by itself, by name."""

    def picture(self, trace: Trace, source: Mapping[str, Array]) -> dict[str, Array]:
        """Pictures of one pair for the report, by caption in order: uint8 (R, R, 3), as far as the row went."""

    def licences(self) -> list[dict[str, str]]:
        """What the pairs are made from: name, kind, licence, attribution."""
