"""Random heads from MakeHuman's macro and local targets, and their principal modes (assets §1)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Float

from assets.heads.makehuman import Inputs

LOCAL = ("cheek", "chin", "ears", "eyebrows", "eyes", "forehead", "head", "mouth", "neck", "nose")
# Left out: targets that turn a head into a geometric figure, and those that move the whole head on its neck.
DROPPED = (
    "head-diamond", "head-oval", "head-round", "head-square", "head-rectangular", "head-triangular",
    "head-invertedtriangular", "head-trans", "head-angle", "head-age", "neck-trans", "ear-shape", "measure-neck-height",
    "chin-triangle",
)  # fmt: skip
OPPOSITES = (
    ("decr", "incr"), ("down", "up"), ("in", "out"), ("backward", "forward"), ("concave", "convex"),
    ("compress", "uncompress"),
)  # fmt: skip
RACES, GENDERS, AGES = ("african", "asian", "caucasian"), ("female", "male"), ("young", "old")
MUSCLES, WEIGHTS = ("minmuscle", "averagemuscle", "maxmuscle"), ("minweight", "averageweight", "maxweight")


@dataclass(frozen=True, eq=False)
class Targets:
    """Displacements (t,n,3) over the base vertices in mm, and where each macro target and slider end is in them."""

    moves: Float[np.ndarray, "t n 3"]
    macro: dict[str, int]
    sliders: dict[str, tuple[int, int]]  # by positive end: negative end, positive end

    def displace(self, coefficients: Float[np.ndarray, "s t"]) -> Float[np.ndarray, "s n 3"]:
        """Displacements of people from their coefficients over all targets."""
        flat = coefficients.astype(np.float32) @ self.moves.reshape(len(self.moves), -1)
        return flat.reshape(len(coefficients), -1, 3)


def read_targets(inputs: Inputs, vertices: int) -> Targets:
    """Read every macro and local target that the head's population is drawn from."""
    names = [f"macrodetails/{r}-{g}-{a}" for r, g, a in product(RACES, GENDERS, AGES)]
    names += [
        f"macrodetails/universal-{g}-{a}-{m}-{w}" for g, a, m, w in product(GENDERS, AGES, MUSCLES, WEIGHTS)
    ]
    macro = {name.split("/")[1]: i for i, name in enumerate(names)}
    sliders = {}
    for name in (n for folder in LOCAL for n in inputs.targets_in(folder)):
        stem, _, ending = name.rpartition("-")
        low = next((low for low, high in OPPOSITES if ending == high), None)
        if low is None or any(d in name for d in DROPPED):
            continue
        sliders[name] = (len(names), len(names) + 1)
        names += [f"{stem}-{low}", name]
    moves = np.stack([inputs.target(name, vertices).astype(np.float32) for name in names])
    return Targets(moves, macro, sliders)


def person(
    targets: Targets,
    races: Float[np.ndarray, " 3"],
    male: float,
    old: float,
    muscle: float = 0.0,
    weight: float = 0.0,
) -> Float[np.ndarray, " t"]:
    """Coefficients of an adult: macro targets multiply, each is weighted by the product of its traits.

    ``races`` sum to one; ``male`` and ``old`` are in [0, 1]; ``muscle`` and ``weight`` in [-1, 1], 0 is average.
    """
    genders, ages = (1 - male, male), (1 - old, old)
    out = np.zeros(len(targets.moves))
    for (i, race), (j, gender), (k, age) in product(*map(enumerate, (RACES, GENDERS, AGES))):
        out[targets.macro[f"{race}-{gender}-{age}"]] = races[i] * genders[j] * ages[k]
    build = product(*map(enumerate, (GENDERS, AGES, MUSCLES, WEIGHTS)))
    for (j, gender), (k, age), (m, mu), (w, we) in build:
        share = genders[j] * ages[k] * _thirds(muscle)[m] * _thirds(weight)[w]
        out[targets.macro[f"universal-{gender}-{age}-{mu}-{we}"]] = share
    return out


def _thirds(value: float) -> tuple[float, float, float]:
    """Shares of minimum, average and maximum for a value in [-1, 1]."""
    return max(-value, 0), 1 - abs(value), max(value, 0)


def draw_person(targets: Targets, rng: np.random.Generator, spread: float) -> Float[np.ndarray, " t"]:
    """Coefficients of a random adult; ``spread`` is the standard deviation of the local sliders.

    Sliders that exist for both sides share nine tenths of their variance, as faces are nearly symmetric.
    """
    muscle, weight = np.clip(rng.normal(0, 0.35, 2), -1, 1)
    races, male, old = rng.dirichlet([0.5, 0.5, 0.5]), rng.beta(0.6, 0.6), rng.beta(1, 2.4)
    out = person(targets, races, male, old, muscle, weight)
    shared: dict[str, float] = {}
    for name, (low, high) in targets.sliders.items():
        own, both = rng.normal(0, spread, 2)
        key = name.replace("/l-", "/").replace("/r-", "/")
        value = both
        if key != name:
            value = np.sqrt(0.9) * shared.setdefault(key, both) + np.sqrt(0.1) * own
        out[high if value > 0 else low] = abs(value)
    return out


def align(points: Float[np.ndarray, "s n 3"], to: Float[np.ndarray, "n 3"], used: np.ndarray) -> np.ndarray:
    """Each shape moved onto a target by the least-squares similarity over the vertices in ``used`` (Umeyama 1991)."""
    goal = to[used] - to[used].mean(0)
    out = np.zeros_like(points)
    for i, shape in enumerate(points):
        centre = shape[used].mean(0)
        local = shape[used] - centre
        u, s, vt = np.linalg.svd(local.T @ goal)
        flip = np.diag([1, 1, np.sign(np.linalg.det(u @ vt))])
        scale = (s * np.diag(flip)).sum() / (local**2).sum()
        out[i] = scale * (shape - centre) @ (u @ flip @ vt) + to[used].mean(0)
    return out


def principal_modes(points: Float[np.ndarray, "s n 3"], modes: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Mean (n,3), modes (m,n,3) scaled by their standard deviation, and the share of variance they keep.

    Works on the samples' Gram matrix, as there are far fewer samples than coordinates. The sign of a mode makes its
    largest entry positive, so a build does not depend on the solver's choice.
    """
    mean = points.mean(0)
    rows = (points - mean).reshape(len(points), -1)
    values, vectors = np.linalg.eigh(rows @ rows.T / (len(rows) - 1))
    order = values.argsort()[::-1][:modes]
    basis = vectors[:, order].T @ rows / np.sqrt(len(rows) - 1)
    peak = basis[np.arange(modes), np.abs(basis).argmax(1)]
    basis *= np.sign(peak)[:, None]
    return mean, basis.reshape(modes, -1, 3), float(values[order].sum() / values.sum())
