"""The recipe of the open benchmark: the pair maker's own chain, with heads that no landmark fit has seen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any, ClassVar

from assets.registry import ledger
from assets.shipped_scan import shipped_scan
from models.heads.linear import LinearHead
from models.heads.outside import OutsideSpace
from storage.schema import FieldSpec
from storage.store import Sample
from tasks.chain import Chain, Made
from tasks.check import QUALITY
from tasks.contract import Stage
from tasks.free_draw import FreeDraw, Outside, linear_only
from tasks.recipe import FaceRecipe

VERTICES = FieldSpec("vertices", "vertices.npy", "npy", "float32", ("V", 3), "cube", "cube", True, "vertices")


@cache
def _space(head: LinearHead) -> OutsideSpace:
    """What lies outside a head model's space, once per process; with the scan that is registered to the bundled one."""
    scan = shipped_scan()
    return OutsideSpace(head, scan.offsets if len(scan.offsets) == len(head.mean) else None)


@dataclass(frozen=True)
class BenchRecipe(FaceRecipe):
    """``draw`` gives way to a draw from the prior; half of the heads leave the linear space; vertices are stored.

    A mesh outside the space has no coefficients to be decoded from.
    """

    quality: ClassVar[tuple[str, ...]] = (*QUALITY, "change", "remainder")
    fields: ClassVar[tuple[FieldSpec, ...]] = (*FaceRecipe.fields, VERTICES)

    @property
    def description(self) -> dict[str, Any]:
        """The pair maker's, and the scan that some heads take their shape from."""
        known = super().description
        return known | {"assets": known["assets"] | {"james": ledger().entry("james").sha256}}

    def drawing(self, head: LinearHead) -> tuple[Stage, ...]:
        """Free_draw, outside."""
        head = linear_only(head)
        return (FreeDraw(head), Outside(_space(head)))

    def chain(self, head: str) -> Chain:
        """The pair maker's, which keeps the mesh and what was done to it as well."""
        chain = super().chain(head)
        return replace(chain, keep=(*chain.keep, VERTICES.batch, "change", "remainder"))

    def sample(self, made: Made) -> Sample:
        """The pair maker's, with the mesh and what was done to its shape."""
        pair, given = super().sample(made), made.fields
        numbers = {name: float(given[name]) for name in ("change", "remainder")}
        meta = dict(pair.meta) | {"quality": {**pair.meta["quality"], **numbers}}
        return Sample(pair.key, {**pair.fields, VERTICES.name: given[VERTICES.batch]}, meta)
