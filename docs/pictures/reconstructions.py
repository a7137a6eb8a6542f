"""Draw ``reconstructions.jpg``: every face of the photographs that ship, by the model that ships.

    python docs/pictures/reconstructions.py

Each face: the photograph, the surface over it, the surface alone, and from the side.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import cv2
import numpy as np

from assets.registry import data_dir
from flows.reconstruct import reconstruct

HERE = Path(__file__).parent
ACROSS, SIDE = 2, 200  # faces of a row of the sheet, pixels of a panel


def main() -> None:
    """Reconstruct, then put the overlays on one sheet."""
    with tempfile.TemporaryDirectory() as folder:
        reconstruct(data_dir() / "photos", out=Path(folder), format=("ply",), turntable=False)
        faces = [cv2.imread(str(path)) for path in sorted(Path(folder).glob("*.png"))]
    strips = [
        cv2.resize(f, (SIDE * f.shape[1] // f.shape[0], SIDE), interpolation=cv2.INTER_AREA) for f in faces
    ]
    blank = np.full_like(strips[0], 255)
    strips += [blank] * (-len(strips) % ACROSS)
    rows = [np.concatenate(strips[at : at + ACROSS], axis=1) for at in range(0, len(strips), ACROSS)]
    cv2.imwrite(str(HERE / "reconstructions.jpg"), np.concatenate(rows), [cv2.IMWRITE_JPEG_QUALITY, 82])


if __name__ == "__main__":
    main()
