"""The field draws a depth map, answers it at first, learns to correct it, and does not care how far away a face is."""

from __future__ import annotations

from dataclasses import replace

import torch

from models.networks.guided import FINER, GuidedBatch, GuidedField, guided_loss
from models.networks.hourglass import HourglassSize
from models.networks.implicit import MlpSize
from models.networks.sdf_nets import LABEL_SCALE, SIZES
from models.networks.train_loop import Recipe, Trainer, one_process

SIZE = replace(
    SIZES["small"], base=HourglassSize(inputs=3, stem=8, middle=16, features=16, stacks=2, depth=1),
    base_head=MlpSize((32, 16), (1,)),
)  # fmt: skip
SIDE = 32


def network() -> GuidedField:
    torch.manual_seed(0)
    return GuidedField(SIZE)


def tilted(positions: range) -> GuidedBatch:
    """Planes; the picture's grey tells their slope, and nothing tells how far away they are."""
    source = torch.Generator().manual_seed(positions.start)
    slope = torch.rand(2, 1, generator=source) - 0.5
    away = torch.rand(2, 1, generator=source) - 0.5
    x = (2 * torch.arange(SIDE) + 1) / SIDE - 1
    depth = (slope * x + away)[:, None].expand(2, SIDE, SIDE).clone()
    depth[:, :4] = torch.nan
    points = torch.rand(2, 128, 3, generator=source) * 2 - 1
    ray = points[..., 0] * slope + away
    points[..., 2] = ray + 0.06 * (points[..., 2])
    distance = (points[..., 2] - ray) / (1 + slope**2).sqrt()
    image = slope[..., None, None].expand(2, 3, SIDE, SIDE).clone()
    return GuidedBatch(image, points, (LABEL_SCALE * distance).clamp(-1, 1), depth)


def test_shape_of_what_it_draws() -> None:
    first, last = network().encode(torch.rand(2, 3, SIDE, SIDE))
    assert first.depth.shape == last.depth.shape == (2, 1, SIDE, SIDE)
    assert last.features.shape == (2, 16, SIDE // FINER, SIDE // FINER)


def test_at_first_it_answers_its_own_drawing() -> None:
    net = network()
    maps = net.encode(torch.rand(1, 3, SIDE, SIDE))[-1]
    row, column = 9, 20
    z = maps.depth[0, 0, row, column]
    x, y = (2 * column + 1) / SIDE - 1, 1 - (2 * row + 1) / SIDE
    points = torch.stack(
        [torch.stack([torch.tensor(x), torch.tensor(y), z + d]) for d in (-0.5, 0.0, 0.02, 0.5)]
    )
    assert torch.allclose(net.query(maps, points[None]), torch.tensor([[-1.0, 0.0, 0.5, 1.0]]), atol=1e-4)


def test_the_answer_is_the_same_column_by_column() -> None:
    """Without gradients, points of a column share its work."""
    net = network()
    torch.nn.init.normal_(net.field.head.layers[-1].weight)
    x, y = torch.rand(2, 6) * 2 - 1
    points = torch.stack([x.repeat_interleave(5), y.repeat_interleave(5), torch.rand(30)], 1)[None]
    maps = net.encode(torch.rand(1, 3, SIDE, SIDE))[-1]
    slow = net.query(maps, points)
    with torch.no_grad():
        assert torch.allclose(net.query(maps, points), slow, atol=1e-4)


def test_how_far_away_a_face_is_changes_little() -> None:
    net, batch = network(), tilted(range(1))
    moved = replace(batch, depth=batch.depth + 0.3, points=batch.points + torch.tensor([0, 0, 0.3]))
    for (a, shape_a, median_a), (b, shape_b, median_b) in zip(
        net(batch.image, batch.points, batch.depth), net(moved.image, moved.points, moved.depth), strict=True
    ):
        assert torch.allclose(a, b, atol=1e-4)
        assert torch.allclose(shape_a, shape_b, atol=1e-5)
        assert torch.allclose(median_a, median_b + 0.3, atol=1e-5)


def test_it_learns_slopes_and_distances() -> None:
    worker = Trainer(network(), guided_loss, Recipe(300, batch=2, warmup=2), one_process(bf16=False))
    found = [(worker.losses["drawing"], worker.losses["error"]) for _ in worker.run(tilted)]
    drawing, error = (sum(some[-30:]) / 30 for some in zip(*found, strict=True))
    assert drawing < 0.3 * found[0][0]
    assert error < 0.3  # answering the middle is 0.6


def fitted(positions: range) -> GuidedBatch:
    """The same planes, told a plane of half the slope."""
    plain = tilted(positions)
    x = (2 * torch.arange(SIDE) + 1) / SIDE - 1
    half = (plain.image[:, :1] * x / 2).expand(2, 1, SIDE, SIDE)
    return replace(plain, image=torch.cat([plain.image, half, torch.ones_like(half)], dim=1))


def test_at_first_it_answers_the_depth_that_it_is_told() -> None:
    some = fitted(range(1))
    torch.manual_seed(0)
    drawn = GuidedField(SIZE, told=2).encode(some.image)[-1]
    assert torch.equal(drawn.depth, some.image[:, 3:4])


def test_it_learns_what_is_wrong_with_what_it_is_told() -> None:
    torch.manual_seed(0)
    worker = Trainer(
        GuidedField(SIZE, told=2), guided_loss, Recipe(200, batch=2, warmup=2), one_process(bf16=False)
    )
    found = [worker.losses["drawing"] for _ in worker.run(fitted)]
    assert sum(found[-30:]) < 0.5 * sum(found[:5]) * 6


def test_the_encoder_of_one_that_is_told_nothing_is_taken_over() -> None:
    torch.manual_seed(1)
    plain, net = GuidedField(SIZE), GuidedField(SIZE, told=2)
    net.begin(plain.state_dict())
    image = torch.rand(1, 3, SIDE, SIDE)
    more = torch.cat([image, torch.rand(1, 2, SIDE, SIDE)], 1)
    for old, new in zip(plain.encode(image), net.encode(more), strict=True):
        assert torch.allclose(old.features, new.features, atol=1e-5)


def test_a_pair_without_a_known_depth_has_a_finite_loss() -> None:
    batch = tilted(range(1))
    found = guided_loss(network(), replace(batch, depth=torch.full_like(batch.depth, torch.nan)))
    assert torch.isfinite(found["loss"])
    found["loss"].backward()


def test_parameters() -> None:
    assert sum(p.numel() for p in GuidedField(SIZES["small"]).parameters()) < 1.5e6
