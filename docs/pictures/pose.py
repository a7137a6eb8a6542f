"""Draw ``pose.jpg`` for ``docs/pose.md`` from photographs that ship: ``python docs/pictures/pose.py``.

Two rows per face: the photograph turned to 25, 45, 60, 75 and 85 degrees of yaw, and the pairs made from it.
"""

from __future__ import annotations

from functools import partial

import cv2
import numpy as np

from assets.registry import photo_paths
from docs.pictures.make import HERE, write
from flows.config import SynthesizeConfig
from storage.plan import PlanRow
from tasks.chain import Chain, Made

PHOTOS = {
    "obama.jpg": 0,
    "biden.jpg": 0,
    "sample3.jpg": 2,
    "sample5.jpg": 0,
    "astronaut.png": 0,
}  # and which face
YAWS, SIDE = (25, 45, 60, 75, 85), 224


def main() -> None:
    """Write the picture next to this file."""
    recipe = SynthesizeConfig(out=HERE).make_recipe()
    head = recipe.heads[0]
    whole = recipe.chain(head)
    stages = tuple(stage for stage in whole.stages if stage.name not in {"label", "check"})
    chain = Chain(stages, whole.sources, ("photo", "image"), recipe.batch)
    rows = []
    for number, (name, face) in enumerate(PHOTOS.items()):
        path = next(p for p in photo_paths() if p.name == name)
        source = [row for row in recipe.annotate(path, name) if not row.reason][face]
        turns = [float(yaw if source.yaw >= 0 else -yaw) - source.yaw for yaw in YAWS]
        texture = recipe.texture_names[3 * number % len(recipe.texture_names)]
        plan = [
            PlanRow(f"{i:08d}", i, 0, number, source.id, head, texture, "train", source.yaw + turn, turn)
            for i, turn in enumerate(turns)
        ]
        photo = recipe.load(source.id, head)["photo"]
        made = [
            outcome.fields if isinstance(outcome, Made) else None
            for outcome in chain.run(plan, partial(recipe.load, head=head))
        ]
        for field in ("photo", "image"):
            tiles = [photo, *(np.zeros_like(photo) if m is None else m[field] for m in made)]
            rows.append(np.hstack([cv2.resize(t, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for t in tiles]))
    write(HERE / "pose.jpg", np.vstack(rows))


if __name__ == "__main__":
    main()
