"""Parquet files with pictures in a column, as the hubs of data sets publish them.

The picture is a struct column with ``bytes`` and ``path`` (the hubs' image type) or a plain binary column; labels are
text or whole-number columns by the names of :data:`assets.readers.webdataset.LABELS`. Pictures are read row group by
row group.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from assets.readers.damaged import told
from assets.readers.members import parquet_place
from assets.readers.photo_set import Photo
from assets.readers.tree import PhotoSetError, Tree
from assets.readers.webdataset import LABELS

KIND, TITLE = "parquet", "parquet files with pictures"
LEAST_ROW = (
    32  # bytes of the smallest picture; a file whose rows have fewer repeats one, or lies about its rows
)
COLUMNS = ("image", "img", "photo", "picture", "jpg", "png", "jpeg", "bytes", "content")


def recognises(tree: Tree) -> bool:
    """A parquet file that is not inside an archive."""
    return any(name.endswith(".parquet") and where.startswith("/") for name, where in tree.files.items())


def read(tree: Tree) -> Iterator[Photo]:
    """Every row of every file.

    Raises:
        PhotoSetError: a file is damaged, or has no column of pictures.
    """
    for name in sorted(name for name in tree.files if name.endswith(".parquet")):
        try:
            yield from _rows(tree, name)
        except PhotoSetError:
            raise
        except Exception as error:  # Arrow raises anything on damaged files
            msg = (
                f"{tree.files[name]} is no sound parquet file ({told(error)}); restore it from a copy, or take it "
                "out of the folder."
            )
            raise PhotoSetError(msg) from error


def _rows(tree: Tree, name: str) -> Iterator[Photo]:
    path = tree.files[name]
    with pq.ParquetFile(path) as file:
        schema = file.schema_arrow
        column, titles = _picture_column(schema, path)
        size = Path(path).stat().st_size
        if file.metadata.num_rows * LEAST_ROW > size:
            msg = f"{file.metadata.num_rows} rows of pictures promised in {size} bytes"
            raise ValueError(msg)
        labels = {
            ours: next(
                (key for key in theirs if key in schema.names and _is_label(schema.field(key).type)), ""
            )
            for ours, theirs in LABELS.items()
        }
        wanted = [key for key in labels.values() if key] + ([titles] if titles else [])
        done = 0
        for group in range(file.num_row_groups):
            count = file.metadata.row_group(group).num_rows
            told = file.read_row_group(group, columns=wanted).flatten() if wanted else None
            values = (
                {key: told.column(key).to_pylist() for key in told.column_names} if told is not None else {}
            )
            for row in range(count):
                own = {
                    ours: str(values[key][row])
                    for ours, key in labels.items()
                    if key and values[key][row] is not None
                }
                title = values[titles][row] if titles else None
                # The number first: titles need be neither unique nor there.
                called = f"{name}/{done + row:08d}" + (f"-{Path(title).name}" if title else "")
                yield Photo(parquet_place(path, group, row, column), called, **own, collection=tree.root.name)
            done += count


def _picture_column(schema: pa.Schema, path: str) -> tuple[str, str]:
    """The column of pictures, and the one of their file names where there is one.

    Raises:
        PhotoSetError: there is none, or several that could be it.
    """
    found = []
    for field in schema:
        if pa.types.is_struct(field.type):
            parts = {part.name: part.type for part in field.type}
            if "bytes" in parts and _is_bytes(parts["bytes"]):
                titled = "path" in parts and pa.types.is_string(parts["path"])
                found.append((field.name, f"{field.name}.bytes", f"{field.name}.path" if titled else ""))
        elif _is_bytes(field.type):
            found.append((field.name, field.name, ""))
    if len(found) > 1:
        found = [one for one in found if one[0].lower() in COLUMNS] or found
    if len(found) != 1:
        named = ", ".join(one[0] for one in found) or "none"
        msg = (
            f"{path} has no single column of pictures (columns that might be: {named}); name it 'image', as binary or "
            "as a struct with 'bytes'."
        )
        raise PhotoSetError(msg)
    return found[0][1], found[0][2]


def _is_bytes(kind: pa.DataType) -> bool:
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _is_label(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind)
