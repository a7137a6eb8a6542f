"""Draw ``textures.jpg``, every face texture on the mean head with its numbers: ``python docs/pictures/textures.py``."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from assets.appearance import portrait
from assets.registry import default_head, texture_pool

HERE = Path(__file__).parent
SIDE, COLUMNS = 168, 10


def main() -> None:
    """Write the sheet, darkest first."""
    pool, head = texture_pool(), default_head()
    tiles = []
    for name in sorted(pool.names, key=lambda n: pool.looks(n)["tone"]):
        looks = pool.looks(name)
        tile = cv2.resize(portrait(head, pool.image(name))[0], (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        lines = (
            name.removeprefix("mh_"),
            " ".join(f"{k[0]}{looks[k]:.3g}" for k in ("tone", "age", "beard")),
        )
        for row, text in enumerate(lines):
            at = (3, 10 + row * (SIDE - 16))
            cv2.putText(tile, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.33, (255, 255, 160), 1, cv2.LINE_AA)
        tiles.append(tile)
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % COLUMNS)
    rows = [np.hstack(tiles[i : i + COLUMNS]) for i in range(0, len(tiles), COLUMNS)]
    cv2.imwrite(str(HERE / "textures.jpg"), np.vstack(rows)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])


if __name__ == "__main__":
    main()
