from __future__ import annotations

import torch
from torch import Tensor, nn

from models.networks.remembered import Remembered


class Counting(nn.Module):
    """A field that counts what it computes."""

    def __init__(self) -> None:
        super().__init__()
        self.encoded, self.queried = 0, 0

    def encode(self, image: Tensor) -> list[Tensor]:
        self.encoded += 1
        return [image.mean((2, 3), keepdim=True)]

    def query(self, maps: Tensor, points: Tensor, *known: Tensor) -> Tensor:
        self.queried += 1
        return points.sum(-1) * maps.mean() + sum(k.sum() for k in known)


def test_the_same_questions_are_answered_once() -> None:
    field = Counting()
    kept, image, other = Remembered(field), torch.ones(1, 3, 4, 4), torch.full((1, 3, 4, 4), 2.0)
    points = [torch.rand(1, 5, 3) for _ in range(3)]
    first = [
        kept.query(kept.encode(image)[-1], p) if n == 0 else kept.query(kept._maps[-1], p)
        for n, p in enumerate(points)
    ]
    maps = kept.encode(image.clone())[-1]
    again = [kept.query(maps, p.clone()) for p in points]
    assert all(map(torch.equal, first, again))
    assert (field.encoded, field.queried) == (1, 3)
    maps = kept.encode(other)[-1]
    assert torch.allclose(kept.query(maps, points[0]), 2 * first[0])
    assert (field.encoded, field.queried) == (2, 4)


def test_another_question_is_computed() -> None:
    field = Counting()
    kept, image, points = Remembered(field), torch.ones(1, 3, 4, 4), torch.rand(1, 5, 3)
    maps = kept.encode(image)[-1]
    plain = kept.query(maps, points)
    kept.encode(image)
    assert torch.allclose(kept.query(maps, points + 1), plain + 3)
    kept.encode(image)
    assert torch.equal(kept.query(maps, points), plain)
    assert field.queried == 3
    # What is known besides the place is part of the question.
    kept.encode(image)
    assert torch.allclose(kept.query(maps, points, torch.ones(1, 5, 1)), plain + 5)
    assert field.queried == 4
