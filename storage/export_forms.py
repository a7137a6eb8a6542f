"""The forms of an export: WebDataset tars, and Parquet with features as the ``datasets`` library reads them.

Neither library is needed to write. Pictures keep their stored PNG bytes in both, so nothing is lost or made again; in
Parquet the arrays are lists, and ``meta`` is JSON text beside the columns that people filter by.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from storage.export import Form, Mark, Pairs, sync_file
from storage.schema import META, FieldSpec, Schema, encode
from storage.tarshard import TarWriter, scan

GROUP = 50  # pairs of a row group: what a reader that wants one pair must read


@dataclass(frozen=True)
class WebDatasetForm:
    """``train/train-000000.tar``: members ``KEY.image.png`` and so on, a pair's members together."""

    name: str = "webdataset"

    def path(self, split: str, number: int, of: int) -> str:
        """See :class:`storage.export.Form`."""
        return f"{split}/{split}-{number:06d}.tar"

    def write(self, path: Path, pairs: Pairs, schema: Schema, fields: Sequence[str]) -> None:
        """See :class:`storage.export.Form`."""
        path.unlink(missing_ok=True)
        with TarWriter(path) as tar:
            for key, raw in pairs:
                for field in fields:
                    tar.add(f"{key}.{schema.extension(field)}", bytes(raw[field]))
            tar.close()

    def marks(self, path: Path, schema: Schema, fields: Sequence[str]) -> Iterator[Mark]:
        """See :class:`storage.export.Form`."""
        field_of = {schema.extension(field): field for field in fields}
        for member in scan(path):
            key, _, extension = member.name.partition(".")
            yield key, field_of[extension], member.crc32


@dataclass(frozen=True)
class HuggingFaceForm:
    """``data/train-00000-of-00003.parquet`` with the features of its columns in the schema's metadata."""

    name: str = "hf"

    def path(self, split: str, number: int, of: int) -> str:
        """See :class:`storage.export.Form`."""
        return f"data/{split}-{number:05d}-of-{of:05d}.parquet"

    def write(self, path: Path, pairs: Pairs, schema: Schema, fields: Sequence[str]) -> None:
        """See :class:`storage.export.Form`."""
        target = arrow_schema(schema, fields)
        with pq.ParquetWriter(path, target, compression="zstd", write_page_checksum=True) as file:
            waiting: list[dict[str, Any]] = []
            for key, raw in pairs:
                waiting.append({"key": key} | _row(key, raw, schema, fields))
                if len(waiting) == GROUP:
                    file.write_table(_table(waiting, target))
                    waiting = []
            if waiting:
                file.write_table(_table(waiting, target))
        sync_file(path)

    def marks(self, path: Path, schema: Schema, fields: Sequence[str]) -> Iterator[Mark]:
        """See :class:`storage.export.Form`."""
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, columns=["key", *fields])
                columns = [list(_stored(table[field], field, schema)) for field in fields]
                for i, key in enumerate(table["key"].to_pylist()):
                    for field, column in zip(fields, columns, strict=True):
                        yield key, field, zlib.crc32(column[i])


FORMS: dict[str, Form] = {form.name: form for form in (WebDatasetForm(), HuggingFaceForm())}


def arrow_schema(schema: Schema, fields: Sequence[str]) -> pa.Schema:
    """Columns of the Parquet files; the metadata names each column's feature."""
    columns, features = [pa.field("key", pa.string())], {"key": _value("string")}
    for name in fields:
        if name == META:
            columns.append(pa.field(META, pa.string()))
            features[META] = _value("string")
            for extra, kind in _extras(schema).items():
                columns.append(pa.field(extra, pa.string() if kind == "string" else pa.float32()))
                features[extra] = _value(kind)
            continue
        spec = schema[name]
        if spec.encoding == "npy":
            inner, feature = pa.from_numpy_dtype(np.dtype(spec.dtype)), _value(spec.dtype)
            for _ in spec.shape:
                inner, feature = pa.list_(inner), {"feature": feature, "length": -1, "_type": "Sequence"}
            columns.append(pa.field(name, inner))
            features[name] = feature
        else:
            columns.append(pa.field(name, pa.struct([("bytes", pa.binary()), ("path", pa.string())])))
            features[name] = {"_type": "Image"}
    told = {"info": {"features": features}}
    return pa.schema(columns, metadata={b"huggingface": json.dumps(told).encode()})


def _value(dtype: str) -> dict[str, Any]:
    return {"dtype": dtype, "_type": "Value"}


def _extras(schema: Schema) -> dict[str, str]:
    """Columns drawn from ``meta``, by what they are."""
    texts = dict.fromkeys(("source", "head", "texture"), "string")
    return texts | dict.fromkeys(("yaw", "turn", *(f"quality_{name}" for name in schema.quality)), "float32")


def _row(key: str, raw: Mapping[str, memoryview], schema: Schema, fields: Sequence[str]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name in fields:
        data = bytes(raw[name])
        if name == META:
            meta = json.loads(data)
            row[META] = data.decode()
            row |= {extra: meta["plan"][extra] for extra in ("source", "head", "texture", "yaw", "turn")}
            row |= {f"quality_{q}": meta["quality"].get(q) for q in schema.quality}
        elif schema[name].encoding == "npy":
            row[name] = schema.decode_field(name, data)
        else:
            row[name] = {"bytes": data, "path": f"{key}.{schema.extension(name)}"}
    return row


def _table(rows: Sequence[Mapping[str, Any]], target: pa.Schema) -> pa.Table:
    columns = []
    for field in target:
        values = [row[field.name] for row in rows]
        if pa.types.is_list(field.type):
            columns.append(_lists(values, field.type))
        else:
            columns.append(pa.array(values, field.type))
    return pa.table(columns, schema=target)


def _lists(arrays: Sequence[np.ndarray[Any, np.dtype[Any]]], kind: pa.DataType) -> pa.Array:
    """Arrays (N, …) as nested lists, without a Python object per number."""
    flat = pa.array(np.concatenate([array.reshape(-1) for array in arrays]))
    last = arrays[0].shape[1:]
    for side in reversed(last):
        flat = pa.ListArray.from_arrays(np.arange(0, len(flat) + 1, side, dtype=np.int32), flat)
    ends = np.cumsum([0, *(len(array) for array in arrays)], dtype=np.int32)
    return pa.ListArray.from_arrays(ends, flat).cast(kind)


def _stored(column: pa.ChunkedArray, name: str, schema: Schema) -> Iterator[bytes]:
    """The bytes as the store has them, from what a column holds."""
    if name == META:
        yield from (text.encode() for text in column.to_pylist())
        return
    spec: FieldSpec = schema[name]
    if spec.encoding != "npy":
        yield from (value["bytes"] for value in column.to_pylist())
        return
    for value in (item for chunk in column.chunks for item in chunk):
        values = value.values
        side = []
        while pa.types.is_list(values.type):
            side.append(len(values.flatten()) // max(1, len(values)))
            values = values.flatten()
        yield encode(spec, values.to_numpy(zero_copy_only=False).reshape(-1, *side).astype(spec.dtype))
