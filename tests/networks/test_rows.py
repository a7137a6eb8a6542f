"""Every row of table 4 comes out of kept weights, and says what it lacks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from models.networks import hierarchical, position_map, rows
from models.networks.classes import Parsing
from models.networks.hierarchical import HierarchicalSdf, to_bytes
from models.networks.hourglass import HourglassSize
from models.networks.implicit import MlpSize
from models.networks.normal_maps import NormalNet, NormalSize, NormalWeights
from models.networks.occupancy import Occupancy, occupancy_field
from models.networks.pix2pix import DiscriminatorSize, GeneratorSize
from models.networks.position_map import PositionMap, PositionNet, PositionSize
from models.networks.rows import ROWS, reconstructor, whole
from models.networks.sdf_nets import SIZES, base_field, fine_field
from models.networks.shallow_encoder import ShallowSize

SIDE = 32
SDF = replace(
    SIZES["small"], image=SIDE, fine_image=SIDE, fine=ShallowSize(widths=(8, 8)), fine_head=MlpSize((8,), ()),
    base=HourglassSize(stem=8, middle=16, features=16, stacks=1, depth=1), base_head=MlpSize((16,), ()),
)  # fmt: skip
GENERATOR = GeneratorSize(width=4, halvings=2, blocks=1, local_blocks=1)
NORMAL = NormalSize(SIDE, GENERATOR, GENERATOR, DiscriminatorSize(width=4), NormalWeights())
POSITION = PositionSize(image=SIDE, map=16, widths=(8, 16), convolutions=1)
UVS, FACES = torch.rand(4, 2), torch.tensor([[0, 1, 2], [0, 2, 3]], dtype=torch.int32)
CONFIG = {"preset": "tiny"}
NETS: dict[str, Callable[[], nn.Module]] = {
    "base": lambda: base_field(SDF),
    "fine": lambda: fine_field(SDF),
    "norm": lambda: NormalNet(NORMAL),
    "pifu": lambda: occupancy_field(SDF),
    "prnet": lambda: PositionNet(POSITION, UVS, FACES, torch.zeros(3, 16, 16)),
    "prnet-fitted": lambda: PositionNet(POSITION, UVS, FACES, torch.zeros(3, 16, 16)),
}


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (hierarchical, rows):
        monkeypatch.setitem(module.SIZES, "tiny", SDF)
    monkeypatch.setitem(hierarchical.NORMAL_SIZES, "tiny", NORMAL)
    monkeypatch.setitem(position_map.POSITION_SIZES, "tiny", POSITION)


def weights(*levels: str) -> bytes:
    torch.manual_seed(0)
    return to_bytes({name: NETS[name]().state_dict() for name in levels})


@pytest.mark.parametrize(
    ("row", "kind"),
    [("prnet-fitted", PositionMap), ("prnet", PositionMap), ("pifu", Occupancy)]
    + [(row, HierarchicalSdf) for row in ("base", "base+fine", "base+fine+norm")],
)
def test_every_row_comes_out_of_its_weights(row: str, kind: type) -> None:
    made = reconstructor(row, weights(*row.split("+")), CONFIG)
    assert isinstance(made, kind)
    assert made.image == SIDE


def test_rows_of_one_model_differ_in_their_levels() -> None:
    data = weights("base", "fine", "norm")
    levels = []
    for row in ("base", "base+fine", "base+fine+norm"):
        made = reconstructor(row, data, CONFIG)
        assert isinstance(made, HierarchicalSdf)
        levels.append((made.fine is not None, made.norm is not None))
    assert levels == [(False, False), (True, False), (True, True)]


@pytest.mark.parametrize("row", ROWS)
def test_what_is_missing_is_told(row: str) -> None:
    held = "base" if "+" in row else "fine"
    asked = row.replace("integrated", "norm").replace("+", ",")
    with pytest.raises(ValueError, match=rf"these weights hold {held}; .*--rows {asked}`"):
        reconstructor(row, weights(held), CONFIG)


@pytest.mark.parametrize(
    ("kind", "levels"), [("sdf", ("base", "fine")), ("pifu", ("pifu",)), ("prnet", ("prnet",))]
)
def test_a_kept_model_is_used_as_a_whole(kind: str, levels: tuple[str, ...]) -> None:
    made = whole(weights(*levels), {**CONFIG, "kind": kind})
    assert made.image == SIDE
    if isinstance(made, HierarchicalSdf):
        assert made.fine is not None


def test_an_unknown_row_is_told() -> None:
    with pytest.raises(ValueError, match="no row 'deca'"):
        reconstructor("deca", b"", CONFIG)


def test_f_norm_moves_the_surface(monkeypatch: pytest.MonkeyPatch) -> None:
    """A map that bulges in the middle raises a ball there; what f_norm adds is what equation 3 says."""
    from models.geometry.camera import voxel_centres
    from models.networks.sdf_nets import LABEL_SCALE

    model = reconstructor("base+fine+norm", weights("base", "fine", "norm"), CONFIG)
    assert isinstance(model, HierarchicalSdf)
    assert model.norm is not None
    side = 64
    axis = voxel_centres(side)
    x, y = np.meshgrid(axis, -axis)
    hill = 8 * np.exp(-(x**2 + y**2) / (2 * 0.1**2))
    front = np.stack([hill * x, hill * y, np.ones_like(x)], -1).astype(np.float32)
    front /= np.linalg.norm(front, axis=-1, keepdims=True)

    def ball(maps: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
        return torch.clamp(points.norm(dim=-1) - 0.5, -0.04, 0.04) * LABEL_SCALE

    monkeypatch.setattr(model.base, "query", ball)
    monkeypatch.setattr(model.norm, "maps", lambda image, semantic: (front, front * 0))
    image = np.full((side, side, 3), 128, np.uint8)
    semantic = np.where(np.hypot(x, y) < 0.4, Parsing.SKIN, Parsing.HAIR).astype(np.uint8)
    integrated = replace(model.without("fine"), integrated=True).reconstruct(image, semantic).vertices
    carved = model.without("fine").reconstruct(image, semantic).vertices
    plain = model.without("fine", "norm").reconstruct(image, semantic).vertices
    assert carved[:, 2].max() > plain[:, 2].max() + 1e-3
    assert abs(integrated[:, 2].max() - plain[:, 2].max()) > 1e-3  # the map is flat where the ball is not
    assert abs(carved[:, 2].min() - plain[:, 2].min()) < 1e-5
    assert abs(integrated[:, 2].min() - plain[:, 2].min()) < 1e-5
