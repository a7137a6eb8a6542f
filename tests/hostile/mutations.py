"""Sound files with a few bits flipped, an end cut off, or a piece repeated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st


@st.composite
def mutated(draw: st.DrawFn, body: bytes) -> bytes:
    """Bits flipped, the end cut off, a piece repeated elsewhere."""
    made = bytearray(body)
    for _ in range(draw(st.integers(0, 4))):
        made[draw(st.integers(0, len(made) - 1))] ^= 1 << draw(st.integers(0, 7))
    if draw(st.booleans()):
        at, size = draw(st.integers(0, len(made) - 1)), draw(st.integers(1, 64))
        where = draw(st.integers(0, len(made) - 1))
        made[where:where] = made[at : at + size]
    return bytes(made[: draw(st.integers(1, len(made)))] if draw(st.booleans()) else made)


def ended(call: Callable[[], Any], *kinds: type[Exception]) -> tuple[Any, str]:
    """What a reader returned, or its sentence if it raised an error of ours; any other error goes through."""
    try:
        return call(), ""
    except kinds as error:
        return None, str(error)
