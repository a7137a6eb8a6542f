"""Draw the pictures of README and guide from a store: ``python docs/pictures/make.py out/demo``.

``stages.jpg`` shows a few pairs stage by stage, ``pairs.jpg`` the store's contact sheet at reading size.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

from flows.remake import remake_all
from flows.sheet import accepted_keys
from storage.store import Store

HERE = Path(__file__).parent
ROWS, SIDE, WIDTH = 7, 168, 1600


def main(root: Path) -> None:
    """Write both pictures next to this file."""
    store = Store.open(root)
    first_of = {
        store.plan.row(key).source: key for key in reversed(accepted_keys(store))
    }  # one pair of each face
    keys = sorted(first_of.values())[:: max(1, len(first_of) // ROWS)][:ROWS]
    strips = []
    for made in remake_all(root, keys):
        tiles = [
            cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
            for picture in made.pictures.values()
        ]
        strips.append(np.hstack(tiles))
    write(HERE / "stages.jpg", np.vstack(strips))
    sheet = cv2.imread(str(root / "contact_sheet.png"))[..., ::-1]
    height = round(WIDTH * sheet.shape[0] / sheet.shape[1])
    write(HERE / "pairs.jpg", cv2.resize(sheet, (WIDTH, height), interpolation=cv2.INTER_AREA))


def write(path: Path, image: np.ndarray) -> None:
    """An RGB picture as JPEG."""
    cv2.imwrite(str(path), image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
