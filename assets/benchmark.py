"""What the open benchmark is made from, so that training can leave it out (docs/evaluation.md)."""

from __future__ import annotations

from collections.abc import Iterable

BENCH_TEXTURES = (
    "mh_middleage_african_female",
    "mh_middleage_african_male",
    "mh_middleage_asian_female",
    "mh_middleage_asian_male",
    "mh_middleage_caucasian_female",
    "mh_middleage_caucasian_male",
    "mix_beard_middleage_male",
    "mix_brown_g3_left",
    "mix_brown_g4_second",
    "mix_brown_middleage_female",
    "mix_tan_middleage_male",
    "photo_g3_left",
    "photo_g4_second",
    "photo_g5_fourth",
    "scan_james",
)
TRAINING = "training"  # stands in ``--textures`` for every texture that the benchmark does not use


def expand_textures(wanted: Iterable[str], known: Iterable[str]) -> tuple[str, ...]:
    """Names as asked for, with ``training`` replaced by all known ones but the benchmark's."""
    free = tuple(name for name in known if name not in BENCH_TEXTURES)
    names = [part for name in wanted for part in (free if name == TRAINING else (name,))]
    return tuple(dict.fromkeys(names))
