"""IMDB-WIKI as its owners publish it: ``imdb.mat`` or ``wiki.mat`` (MATLAB 5) and the pictures that they name.

The labels were crawled, so that only rows count whose picture has one sure face: a face score of at least 1 and no
second face. Identity is ``celeb_id`` (IMDB) or the name (Wikipedia). Source: the data set's page, Rothe et al., IJCV
2016.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from assets.readers.damaged import damaged
from assets.readers.mat import read_mat
from assets.readers.photo_set import Photo
from assets.readers.tree import PhotoSetError, Tree

KIND, TITLE = "imdb-wiki", "IMDB-WIKI"
TERMS = "IMDB-WIKI"
SETS = ("imdb", "wiki")
MIN_SCORE = 1.0  # of the authors' face detector; many later works use 1 too, some 3
MOST = 1_000_000_000  # bytes that the .mat may unpack to: four times what IMDB's 460,723 rows take
NO_FACE = "rows of the .mat without one sure face"
NO_FILE = "rows of the .mat whose picture is not there"
FIELDS = ("full_path", "gender", "name", "face_score", "second_face_score")


def recognises(tree: Tree) -> bool:
    """One of the two metadata files."""
    return tree.named(*(f"{name}.mat" for name in SETS)) is not None


def read(tree: Tree) -> Iterator[Photo]:
    """The pictures of every sure row of each metadata file.

    Raises:
        PhotoSetError: a .mat is not what the owners publish.
    """
    for part in SETS:
        name = tree.named(f"{part}.mat")
        if name is not None:
            yield from _read(tree, part, name)


def _read(tree: Tree, part: str, name: str) -> Iterator[Photo]:
    table = _load(tree, part, name)
    # Pictures lie beside the .mat of the cropped release, and in archives beside that of the full one.
    places = {}
    for file in tree.files:
        places["/".join(file.split("/")[-2:])] = file
    sure = table["face_score"] >= MIN_SCORE
    # NaN where there is no second face; the scores of faceless rows are minus infinity.
    sure &= ~np.isfinite(table["second_face_score"])
    tree.left_out[NO_FACE] += int((~sure).sum())
    for i in np.flatnonzero(sure).tolist():
        path = _text(table["full_path"][i])
        file = places.get("/".join(path.split("/")[-2:]))
        if file is None or ".." in path.split("/"):
            tree.left_out[NO_FILE] += 1
            continue
        person = f"{table['celeb_id'][i]:.0f}" if "celeb_id" in table else _text(table["name"][i])
        gender = float(table["gender"][i])
        looks = (("feminine", 1.0 - gender),) if gender in (0.0, 1.0) else ()
        yield Photo(
            tree.files[file], file, f"{part}-{person}" if person else "", TERMS, "IMDB-WIKI, Rothe et al. 2016", path,
            f"IMDB-WIKI {part}", looks=looks,
        )  # fmt: skip


def _load(tree: Tree, part: str, name: str) -> dict[str, np.ndarray]:
    """The columns of the metadata struct.

    Raises:
        PhotoSetError: not a MATLAB 5 file, or a column is missing or shorter than the others.
    """
    what = f"'{name}' in {tree.root} is not the .mat of IMDB-WIKI"
    fix = f"it must be MATLAB 5 with a struct '{part}' of {', '.join(FIELDS)}; get it again"
    data = tree.read(name)
    with damaged(what, fix, PhotoSetError):
        body: Any = read_mat(data, (part,), MOST)[part][0, 0]
        columns = [*FIELDS, *(("celeb_id",) if "celeb_id" in body.dtype.names else ())]
        table = {column: np.asarray(body[column]).reshape(-1) for column in columns}
        table |= {c: table[c].astype(np.float64) for c in columns if c not in ("full_path", "name")}
    sizes = {column: len(values) for column, values in table.items()}
    if len(set(sizes.values())) != 1:
        msg = f"'{name}' in {tree.root} has columns of different lengths ({sizes}); get it again."
        raise PhotoSetError(msg)
    return table


def _text(cell: Any) -> str:
    """The text of a MATLAB cell."""
    value = np.asarray(cell).reshape(-1)
    return str(value[0]) if len(value) else ""
