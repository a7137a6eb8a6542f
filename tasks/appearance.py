"""Appearance of an annotated face: the numbers by which the plan matches textures to photographs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from jaxtyping import Float, UInt8

from assets.appearance import NAMES, measure
from storage.matching import effective
from tasks.source_table import SourceRow

VERSION = 1  # of the numbers; part of the annotations' cache key
# Difference at which two faces stop looking like one: tone in degrees (the photographs' own light moves it by 20), the
# others on their scales of 0 to 1.
TOLERANCE = {"tone": 26.0, "age": 0.35, "beard": 0.4, "feminine": 0.42}
LEAST_WEIGHT = 0.15  # of the best texture for a photograph: below, one is not drawn for it at all


def appearance(
    photo: UInt8[np.ndarray, "R R 3"], landmarks: Float[np.ndarray, "68 2"], parsing: UInt8[np.ndarray, "R R"]
) -> dict[str, float]:
    """What can be told of tone, age, beard and femininity of a crop (see :func:`assets.appearance.measure`)."""
    found = measure(photo, landmarks, parsing)
    return {name: value for name, value in found.items() if np.isfinite(value)}


# Skin colour by typology angle (Chardon et al. 1991): class, and the angle from which it counts, darkest first.
TONES = (
    ("dark", -90.0),
    ("brown", -30.0),
    ("tan", 10.0),
    ("intermediate", 28.0),
    ("light", 41.0),
    ("very light", 55.0),
)


def tone_classes(tones: Iterable[float]) -> dict[str, int]:
    """How many of the angles fall into each class; unknown ones are left out."""
    known = np.array([tone for tone in tones if np.isfinite(tone)])
    at = np.searchsorted([start for _, start in TONES], known, side="right") - 1
    return {name: int((at == k).sum()) for k, (name, _) in enumerate(TONES)}


def describe_textures(names: Sequence[str], tones: Mapping[str, float]) -> str:
    """A sentence about the textures that a plan's rows name: effective number, and share of each tone."""
    counts = Counter(names)
    classes = tone_classes(tones.get(name, np.nan) for name in names)
    total = max(1, sum(classes.values()))
    shares = ", ".join(f"{name} {count / total:.0%}" for name, count in classes.items())
    return f"{effective(np.array(list(counts.values()))):.1f} effective textures of {len(tones)}; tones: {shares}"


def compatibility(
    sources: Iterable[SourceRow], textures: Sequence[Mapping[str, float]], mixing: float
) -> Float[np.ndarray, "s t"] | None:
    """Weight of every texture for every source, 1 for the best of each source.

    None when ``mixing`` is 1, where any texture goes with any photograph.

    A product of bell curves over the differences, each ``1 / (1 - mixing)`` times as wide as ``TOLERANCE``
    says. A number that is not known (NaN or absent) goes with everything.

    Args:
        sources: rows of the source table, in the order of the result.
        textures: numbers by name (``assets.appearance.NAMES``) of each texture.
        mixing: 0 strictest .. 1 independent.
    """
    if mixing >= 1:
        return None
    ours = np.array([[getattr(row, name) for name in NAMES] for row in sources], np.float64).reshape(
        -1, len(NAMES)
    )
    theirs = np.array([[numbers.get(name, np.nan) for name in NAMES] for numbers in textures], np.float64)
    width = np.array([TOLERANCE[name] for name in NAMES]) / (1 - mixing)
    apart = (ours[:, None] - theirs[None]) / width
    cost = np.nansum(apart**2, axis=-1)
    weights = np.exp(-0.5 * (cost - cost.min(axis=1, keepdims=True)))  # something goes with every photograph
    # Rounded, so that the last bit of an exponential does not decide a plan.
    return np.where(weights < LEAST_WEIGHT, 0, np.round(weights, 3))
