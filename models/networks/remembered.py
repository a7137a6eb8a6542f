"""A field that answers what it was asked of the last image again without computing.

The rows of a ladder share their first field and ask it the same points of the same image; each adds something to the
answers. Measured one after the other, only the first pays for them.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Remembered(nn.Module):
    """Gives what ``field`` gives; questions are compared, so another one is computed, never mistaken.

    Args:
        field: an implicit field (:class:`models.networks.implicit.ImplicitField` or one with its two verbs).
    """

    def __init__(self, field: nn.Module) -> None:
        super().__init__()
        self.field = field
        self._image: Tensor | None = None
        self._maps: list[Any] = []
        self._asked: list[tuple[Any, tuple[Tensor, ...], Tensor]] = []
        self._next = 0

    def encode(self, image: Float[Tensor, "b i R R"]) -> list[Any]:
        """What the field keeps of an image; those of the last image when it is the same."""
        if self._image is None or not torch.equal(image, self._image):
            self._image, self._maps, self._asked = image, list(self.field.encode(image)), []
        self._next = 0
        return self._maps

    def query(
        self, maps: Any, points: Float[Tensor, "b n 3"], *known: Float[Tensor, "b n k"]
    ) -> Float[Tensor, "b n"]:
        """Values at cube points; the kept ones when this is the question that followed the last one before."""
        asked = (points, *known)
        if self._next < len(self._asked):
            of, before, answer = self._asked[self._next]
            if of is maps and len(before) == len(asked) and all(map(torch.equal, before, asked)):
                self._next += 1
                return answer
            del self._asked[self._next :]
        answer = self.field.query(maps, *asked)
        self._asked.append((maps, asked, answer))
        self._next += 1
        return answer
