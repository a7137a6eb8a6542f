from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from storage.plan import PlanRow
from tasks.contract import Batch, ChainError, Field, Gives, Stage, check_chain

PHOTO = Field("photo", "uint8", ("R", "R", 3), "rgb")
DEPTH = Field("depth", "float32", ("R", "R"), "cube")


@dataclass(frozen=True)
class Toy:
    """A stage with given needs and gives."""

    name: str
    needs: tuple[Field, ...]
    gives: tuple[Field, ...]
    version: ClassVar[int] = 1

    def __call__(self, batch: Batch) -> Gives:
        return Gives({})


def test_a_chain_whose_fields_meet_passes() -> None:
    check_chain([Toy("render", (PHOTO,), (DEPTH,)), Toy("label", (PHOTO, DEPTH), ())], [PHOTO])


def test_a_missing_field_names_stage_field_and_fix() -> None:
    with pytest.raises(
        ChainError, match=r"'label' needs field 'depth', which no earlier stage gives; known here: photo"
    ):
        check_chain([Toy("label", (DEPTH,), ()), Toy("render", (PHOTO,), (DEPTH,))], [PHOTO])


@pytest.mark.parametrize(
    "other",
    [Field("depth", "float64", ("R", "R"), "cube"), Field("depth", "float32", ("R",), "cube"),
     Field("depth", "float32", ("R", "R"), "head")],
)  # fmt: skip
def test_another_dtype_shape_or_frame_names_both_sides(other: Field) -> None:
    with pytest.raises(ChainError, match=r"'label' needs field 'depth' as .* but 'render' gives float32"):
        check_chain([Toy("render", (PHOTO,), (DEPTH,)), Toy("label", (other,), ())], [PHOTO])


def test_chance_depends_on_seed_row_stage_and_version_only() -> None:
    row = PlanRow("00000003", 3, 0, 11, "s", "h", "t", "train")
    stage: Stage = Toy("draw", (), ())
    alone = Batch((row,), {}).rng(0, stage).integers(0, 1 << 60)
    in_company = Batch((PlanRow("00000002", 2, 9, 11, "z", "h", "t", "val"), row), {}).rng(1, stage)
    assert in_company.integers(0, 1 << 60) == alone
    assert Batch((row,), {}).rng(0, Toy("warp", (), ())).integers(0, 1 << 60) != alone
    newer = type("Newer", (Toy,), {"version": 2})("draw", (), ())
    assert Batch((row,), {}).rng(0, newer).integers(0, 1 << 60) != alone
    assert np.asarray(Batch((row,), {"x": np.ones(1)})["x"]).item() == 1
