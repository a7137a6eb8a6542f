"""Archives and tables of photo sets."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.io import savemat

from assets.readers.sets import read_photos
from assets.readers.tree import PhotoSetError
from tests.hostile.bombs import member, png, tar_of, zip_of

OURS = (PhotoSetError,)


def _set(*files: str) -> Callable[[bytes, Path], None]:
    """A set in which the last of the files is the hostile one."""

    def run(data: bytes, work: Path) -> None:
        root = work / "set"
        shutil.rmtree(root, ignore_errors=True)
        for name in files:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(data if name == files[-1] else PNG)
        for photo in read_photos(root).photos:
            try:
                photo.file().read_bytes()
            except OSError:  # a refusal, which becomes a row of the table
                continue

    return run


PNG = png(8)
READERS: dict[str, Callable[[bytes, Path], None]] = {
    "a.tar": _set("a.tar"),
    "a.zip": _set("a.zip"),
    "a.parquet": _set("a.parquet"),
    "photos.json": _set("a.png", "photos.json"),
    "ffhq-dataset-v2.json": _set("images1024x1024/00000.png", "ffhq-dataset-v2.json"),
    "identity_CelebA.txt": _set("img_align_celeba/000001.jpg", "identity_CelebA.txt"),
    "list_attr_celeba.txt": _set("img_align_celeba/000001.jpg", "list_attr_celeba.txt"),
    "CelebA-HQ-to-CelebA-mapping.txt": _set("CelebA-HQ-img/0.jpg", "CelebA-HQ-to-CelebA-mapping.txt"),
    "wiki.mat": _set("00/a.jpg", "wiki.mat"),
}


def seeds(reader: str) -> Iterator[bytes]:
    """A sound file of every kind."""
    file = Path("seed")
    out = io.BytesIO()
    if reader == "a.tar":
        yield tar_of(
            file, (member("a.png"), PNG), (member("a.json"), b'{"identity": 1}'), (member("b" * 120), b"")
        ).read_bytes()
        file.unlink()
    elif reader == "a.zip":
        yield zip_of(file, **{"a.png": PNG, "b/c.png": PNG}).read_bytes()
        file.unlink()
    elif reader == "a.parquet":
        rows = pa.array([{"bytes": PNG, "path": "a.png"}] * 3)
        pq.write_table(pa.table({"image": rows, "identity": ["a", "b", "c"]}), out)
        yield out.getvalue()
    elif reader.endswith(".mat"):
        cell = np.array([["00/a.jpg"]], object)
        numbers = {name: np.ones((1, 1)) for name in ("gender", "face_score")} | {
            "second_face_score": np.full((1, 1), np.nan)
        }
        savemat(out, {"wiki": {"full_path": cell, "name": cell, **numbers}})
        yield out.getvalue()
    else:
        yield {
            "photos.json": b'{"licence": "CC0", "entries": [{"file": "a.png", "identity": "x"}]}',
            "ffhq-dataset-v2.json": b'{"0": {"metadata": {"author": "a", "license": "b", "photo_url": "c"}}}',
            "identity_CelebA.txt": b"000001.jpg 2880\n",
            "list_attr_celeba.txt": b"1\nMale No_Beard Goatee\n000001.jpg 1 -1 1\n",
            "CelebA-HQ-to-CelebA-mapping.txt": b"idx orig_idx orig_file\n0 1 000001.jpg\n",
        }[reader]
