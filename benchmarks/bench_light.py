"""Colour of rendered faces against the skin of their photographs, before Poisson, and what Poisson then moves.

``python -m benchmarks.bench_light PHOTOS --textures 3`` prints one table: each photo meets a few textures in turn, and
the numbers are means over all combinations. ``--dump FOLDER`` keeps photo, render and blend of each.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import cv2
import numpy as np

from flows.config import SynthesizeConfig
from models.heads.regions import Region
from models.networks.classes import Parsing
from storage.plan import PlanRow
from tasks.contract import Array, Batch
from tasks.recipe import FaceRecipe
from tasks.sources import Annotator, Source, find_photos

STAGES = ("draw", "render", "complete", "inpaint", "warp", "blend")


def combinations(recipe: FaceRecipe, photos: Path, count: int) -> Iterator[tuple[str, Source, PlanRow]]:
    """Every usable face with ``count`` textures, taken in turn so that all are used about equally."""
    annotator: Annotator = recipe.annotator(recipe.heads[0])
    names, turn = sorted(recipe.texture_names), 0
    for path in find_photos(photos):
        for face in annotator.annotate(path, path.name):
            if not isinstance(face, Source):
                continue
            for _ in range(count):
                row = PlanRow(
                    f"{turn:08d}", turn, 0, 0, face.id, recipe.heads[0], names[7 * turn % len(names)], ""
                )
                turn += 1
                yield path.stem, face, row


def made(recipe: FaceRecipe, face: Source, row: PlanRow) -> tuple[dict[str, Array], float] | None:
    """Fields of one combination up to the blend, and the seconds of its render; None when a stage refuses it."""
    fields = {name: array[None] for name, array in face.arrays.items()}
    seconds = 0.0
    for stage in recipe.chain(row.head).stages:
        if stage.name not in STAGES:
            continue
        start = time.process_time()
        gives = stage(Batch((row,), fields))
        if stage.name == "render":
            seconds = time.process_time() - start
        if gives.rejects:
            return None
        fields |= gives.fields
    return {name: array[0] for name, array in fields.items()}, seconds


def numbers(f: Mapping[str, Array]) -> dict[str, float]:
    """Lab statistics of render and photo over the skin that both show, and the blend's change, in grey levels."""
    lab = {k: cv2.cvtColor(f[k].astype(np.float32) / 255, cv2.COLOR_RGB2LAB) for k in ("render", "photo")}
    both = np.isin(f["region"], (Region.SKIN, Region.NOSE)) & np.isin(
        f["parsing"], (Parsing.SKIN, Parsing.NOSE)
    )
    new, old = lab["render"][both], lab["photo"][both]
    weight = cv2.blur(both.astype(np.float32), (9, 9))
    tone = {
        k: cv2.blur(v * both[..., None], (9, 9)) / np.maximum(weight, 1e-6)[..., None] for k, v in lab.items()
    }
    fine = {k: (lab[k] - tone[k])[both][:, 0].std() for k in lab}
    inside = f["face_mask"]
    moved = np.abs(f["image"][inside].astype(np.float32) - f["inpainted"][inside])
    grain = {k: np.abs(cv2.Laplacian(lab[k][..., 0], cv2.CV_32F))[both & (weight > 0.99)].mean() for k in lab}
    return {
        "mean dE": float(np.linalg.norm(new.mean(0) - old.mean(0))),
        "local dE": float(np.linalg.norm((tone["render"] - tone["photo"])[both], axis=1).mean()),
        "std L / photo": float(new[:, 0].std() / old[:, 0].std()),
        "|log std L|": float(abs(np.log(new[:, 0].std() / old[:, 0].std()))),
        "|log std a|": float(abs(np.log(new[:, 1].std() / old[:, 1].std()))),
        "|log std b|": float(abs(np.log(new[:, 2].std() / old[:, 2].std()))),
        "fine L / photo": float(fine["render"] / fine["photo"]),
        "|log fine L|": float(abs(np.log(fine["render"] / fine["photo"]))),
        "|log grain|": float(abs(np.log(grain["render"] / grain["photo"]))),
        "outside %": 100 * float(outside(new, old)),
        "|blend - face|": float(moved.mean()),
    }


def outside(new: Array, old: Array) -> float:
    """Share of the render's skin pixels whose L, a or b no 98 % of the photo's skin has."""
    low, high = np.quantile(old, (0.01, 0.99), axis=0)
    return float(((new < low) | (new > high)).any(axis=1).mean())


def strip(f: Mapping[str, Array]) -> Array:
    """Photo, render and blend beside each other."""
    return np.hstack([f[name] for name in ("photo", "render", "image")])


def main() -> None:
    """Measure and print."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("photos", type=Path)
    ask.add_argument("--textures", type=int, default=3)
    ask.add_argument("--dump", type=Path, help="folder for one picture of each combination")
    given = ask.parse_args()
    recipe = SynthesizeConfig(photos=given.photos, out=Path(os.devnull), pairs=1).make_recipe()
    rows: list[dict[str, float]] = []
    seconds = []
    for photo, face, row in combinations(recipe, given.photos, given.textures):
        result = made(recipe, face, row)
        if result is None:
            continue
        fields, spent = result
        rows.append(numbers(fields))
        seconds.append(spent)
        if given.dump:
            given.dump.mkdir(exist_ok=True)
            cv2.imwrite(str(given.dump / f"{photo}__{row.texture}.png"), strip(fields)[..., ::-1])
    print(len(rows), "combinations; render", round(1000 * float(np.median(seconds)), 1), "ms")
    for name in rows[0]:
        values = np.array([r[name] for r in rows])
        mean, median, p90 = values.mean(), np.median(values), np.quantile(values, 0.9)
        print(f"{name:16s} mean {mean:8.3f}  median {median:8.3f}  p90 {p90:8.3f}")


if __name__ == "__main__":
    main()
