"""Measure relief against the smooth head, and draw it: ``python docs/pictures/relief.py out/store``.

Each accepted pair of the store is made again twice: as it is, and with the relief left out (same refined mesh, the
texture as it ships). Prints the table of ``docs/relief.md`` and writes ``relief.jpg`` from the pairs with most relief.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from scipy.ndimage import binary_dilation, binary_erosion

from flows.remake import load_config
from models.geometry.agreement import agreement
from models.geometry.maps import decode_normals
from models.heads.regions import Region
from models.heads.relief import TextureRelief
from storage.store import Store
from tasks.chain import Chain, Made, Trace
from tasks.draw import Draw
from tasks.posterior import measure_draws
from tasks.relief import Relief, ReliefPool
from tasks.render import Render

HERE = Path(__file__).parent
ROWS, SIDE = 5, 300
STRONG = 5.0  # degrees between relief and smooth normals from which a pixel is in a wrinkle
SPREADS = (
    "decided",
    "landmark_rms",
    "landmark_share",
    "surface_mm",
    "prior_mm",
    "depth_mm",
    "prior_depth_mm",
)
AROUND = 3  # pixels beside it that belong to it: its floor is as level as the skin
LIGHT = np.array([-0.8, 0.3, 0.5]) / np.sqrt(0.98)  # grazing, from image left


class SmoothPool(ReliefPool):
    """The same textures without any relief, as they ship."""

    def image(self, name: str) -> np.ndarray:
        """The texture itself."""
        return self.textures.image(name)

    def relief(self, name: str) -> TextureRelief:
        """No groove and no fold."""
        own = super().relief(name)
        return TextureRelief(np.zeros_like(own.depth), np.zeros_like(own.turn), 0.0)


def both(root: Path) -> Iterator[tuple[Trace, Trace]]:
    """Every accepted pair of a store with relief and without."""
    store, config = Store.open(root), load_config(root)
    recipe = config.make_recipe()
    for rows in store.plan.shards.values():
        chain = recipe.chain(rows[0].head)
        relief = next(stage for stage in chain.stages if isinstance(stage, Relief))
        render = next(stage for stage in chain.stages if isinstance(stage, Render))
        plain = SmoothPool(relief.head, relief.textures.textures, relief.textures.folder)
        swapped = {"relief": Relief(relief.head, plain), "render": Render(render.head, plain, render.size)}
        stages = tuple(swapped.get(stage.name, stage) for stage in chain.stages)
        smooth = Chain(stages, chain.sources, chain.keep, chain.batch)
        keys = [row.key for row in rows]
        load = partial(recipe.load, head=rows[0].head)
        for one, two in zip(chain.trace(rows, keys, load), smooth.trace(rows, keys, load), strict=True):
            if isinstance(one.outcome, Made) and isinstance(two.outcome, Made):
                yield one, two


def measure(with_relief: Trace, smooth: Trace) -> dict[str, float]:
    """Numbers of one pair, over skin in the face mask a few pixels from its border."""
    one, two = with_relief.fields, smooth.fields
    skin = binary_erosion(one["face_mask"], iterations=4)
    skin &= np.isin(one["region"], (Region.SKIN, Region.NOSE))
    dot = (decode_normals(one["normal_front"]) * decode_normals(two["normal_front"])).sum(-1)
    angle = np.degrees(np.arccos(np.clip(dot, -1, 1)))
    wrinkle = skin & binary_dilation(skin & (angle > STRONG), iterations=AROUND)
    return {
        "angle": float(angle[skin].mean()),
        "wrinkled": float((angle[skin] > STRONG).mean()),
        "relief": agreement(one["image"], one["normal_front"], wrinkle),
        "smooth": agreement(two["image"], two["normal_front"], wrinkle),
    }


def tiles(with_relief: Trace, smooth: Trace) -> np.ndarray:
    """Image and front normals, smooth head left of relief, and both lit from the side."""
    one, two = with_relief.fields, smooth.fields
    shown = []
    for fields in (two, one):
        normals = decode_normals(fields["normal_front"])
        lit = 25 + 225 * np.clip(normals @ LIGHT, 0, 1) * (normals[..., 2] != 0)
        grey = np.repeat(lit.astype(np.uint8)[..., None], 3, axis=2)
        shown.append([fields["image"], (fields["normal_front"] >> 8).astype(np.uint8), grey])
    rows, columns = np.nonzero(one["face_mask"])
    side = int(max(np.ptp(rows), np.ptp(columns)) * 1.08)
    top, left = (max(0, int((c.min() + c.max() - side) / 2)) for c in (rows, columns))
    parts = [
        picture[top : top + side, left : left + side] for pair in zip(*shown, strict=True) for picture in pair
    ]
    return np.hstack([cv2.resize(part, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC) for part in parts])


def spread_table(root: Path) -> None:
    """Print how far drawn identities differ, mean over the faces of a store."""
    store, recipe = Store.open(root), load_config(root).make_recipe()
    sources = sorted({(row.source, row.head) for row in store.plan.rows})
    sys.stdout.write(
        "\n| spread | faces | variance / prior | modes decided | landmark rms / noise | within 2 |"
    )
    sys.stdout.write(" surface mm (prior) | depth mm (prior) |\n|---|---:|---:|---:|---:|---:|---:|---:|\n")
    for spread in (0.5, 1.0):
        some = []
        for source, head in sources:
            draw = next(s for s in recipe.chain(head).stages if isinstance(s, Draw))
            some.append(measure_draws(replace(draw, spread=spread), recipe.load(source, head), 128))
        mean = {k: float(np.mean([getattr(d, k) for d in some])) for k in SPREADS}
        variance = float(np.mean([d.variance.mean() for d in some]))
        sys.stdout.write(
            f"| {spread} | {len(some)} | {variance:.2f} | {mean['decided']:.1f} of {len(some[0].variance)} | "
            f"{mean['landmark_rms']:.2f} | {100 * mean['landmark_share']:.1f} % | {mean['surface_mm']:.2f} "
            f"({mean['prior_mm']:.2f}) | {mean['depth_mm']:.2f} ({mean['prior_depth_mm']:.2f}) |\n"
        )


def main(root: Path) -> None:
    """Print the table and write the picture."""
    found = []
    for one, two in both(root):
        found.append((one.outcome.row.texture, measure(one, two), tiles(one, two)))
    names = sorted({name for name, _, _ in found})
    out = sys.stdout
    out.write("| texture | pairs | normals differ, mean | skin in wrinkles | agreement, relief | smooth |\n")
    out.write("|---|---:|---:|---:|---:|---:|\n")
    for name in (*names, "all"):
        some = [numbers for texture, numbers, _ in found if name in (texture, "all")]
        mean = {k: float(np.nanmean([n[k] for n in some])) for k in some[0]}
        out.write(
            f"| {name} | {len(some)} | {mean['angle']:.1f}° | {100 * mean['wrinkled']:.0f} % | "
            f"{mean['relief']:.2f} | {mean['smooth']:.2f} |\n"
        )
    best: dict[str, tuple[float, np.ndarray]] = {}
    for name, numbers, picture in found:
        if name not in best or numbers["angle"] > best[name][0]:
            best[name] = numbers["angle"], picture
    order = sorted(best.values(), key=lambda pair: -pair[0])
    chosen = order[:: max(1, len(order) // ROWS)][:ROWS]
    picture = np.vstack([tile for _, tile in chosen])
    cv2.imwrite(str(HERE / "relief.jpg"), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 86])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
    spread_table(Path(sys.argv[1]))
