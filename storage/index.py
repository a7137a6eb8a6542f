"""The index of a shard: one Parquet row per planned sample, with byte positions per field."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from storage.errors import CorruptStore
from storage.schema import Schema
from storage.tarshard import CHECKSUM, Member
from storage.untrusted import MAX_FIELD, MAX_TAR, check_parquet

COMMITTED, REJECTED = "committed", "rejected"


@dataclass(frozen=True)
class IndexRow:
    """What became of one planned sample."""

    key: str
    status: str  # COMMITTED or REJECTED
    reason: str = ""
    stage: str = ""
    detail: str = ""
    members: Mapping[str, Member] = field(default_factory=dict)  # by field name; empty when rejected
    quality: Mapping[str, float] = field(default_factory=dict)


def arrow_schema(schema: Schema) -> pa.Schema:
    """Columns of the index: fixed by the store's field table."""
    columns = [pa.field(name, pa.string()) for name in ("key", "status", "reason", "stage", "detail")]
    for name in schema.names:
        columns += [
            pa.field(f"{name}.offset", pa.int64()),
            pa.field(f"{name}.length", pa.int64()),
            pa.field(f"{name}.{CHECKSUM}", pa.uint32()),
        ]
    return pa.schema(columns + [pa.field(f"quality.{name}", pa.float32()) for name in schema.quality])


def to_parquet(rows: Sequence[IndexRow], schema: Schema) -> bytes:
    """The file's bytes: nothing in them depends on time, host or attempt."""
    target = arrow_schema(schema)
    columns: dict[str, list[Any]] = {name: [] for name in target.names}
    for row in rows:
        for name in ("key", "status", "reason", "stage", "detail"):
            columns[name].append(getattr(row, name))
        for name in schema.names:
            member = row.members.get(name)
            columns[f"{name}.offset"].append(member and member.offset)
            columns[f"{name}.length"].append(member and member.length)
            columns[f"{name}.{CHECKSUM}"].append(member and member.crc32)
        for name in schema.quality:
            columns[f"quality.{name}"].append(row.quality.get(name))
    table = pa.table({f.name: pa.array(columns[f.name], f.type) for f in target}, schema=target)
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd", write_page_checksum=True, row_group_size=1 << 20)
    return buffer.getvalue()


def read_table(data: bytes, schema: Schema, where: str) -> pa.Table:
    """The index as an Arrow table.

    Raises:
        CorruptStore: the bytes are no Parquet file with the store's columns.
    """
    try:
        with pq.ParquetFile(io.BytesIO(data)) as file:
            check_parquet(file, len(data), where)
        table = pq.read_table(io.BytesIO(data), page_checksum_verification=True)
    except CorruptStore:
        raise
    except Exception as error:  # Arrow raises anything on damaged bytes
        raise CorruptStore(
            f"{where}: not a readable Parquet index ({str(error).partition(chr(10))[0]}); {_REMAKE}"
        ) from error
    if not table.schema.equals(arrow_schema(schema)):
        raise CorruptStore(f"{where}: its columns are not those of the store's field table; {_REMAKE}")
    for name in schema.names:
        for what in ("offset", "length"):
            column = table.column(f"{name}.{what}")
            least, most = pc.min_max(column).as_py().values()
            if least is not None and not (0 <= least <= most < (MAX_FIELD if what == "length" else MAX_TAR)):
                raise CorruptStore(f"{where}: a {what} of field '{name}' is {least} or {most}; {_REMAKE}")
    return table


def from_parquet(data: bytes, schema: Schema, where: str) -> list[IndexRow]:
    """Inverse of :func:`to_parquet`; ``where`` names the file in errors."""
    rows = []
    table = read_table(data, schema, where)
    if any(table.column(name).null_count for name in ("key", "status", "reason", "stage", "detail")):
        raise CorruptStore(f"{where}: a row without key, status or reason; {_REMAKE}")
    for got in table.to_pylist():
        members = {
            name: Member(
                f"{got['key']}.{schema.extension(name)}",
                got[f"{name}.offset"],
                got[f"{name}.length"],
                got[f"{name}.{CHECKSUM}"],
            )
            for name in schema.names
            if got[f"{name}.offset"] is not None
        }
        quality = {
            name: got[f"quality.{name}"] for name in schema.quality if got[f"quality.{name}"] is not None
        }
        rows.append(
            IndexRow(got["key"], got["status"], got["reason"], got["stage"], got["detail"], members, quality)
        )
    return rows


def count(rows: Sequence[IndexRow]) -> tuple[dict[str, int], dict[str, int]]:
    """Counts (planned, committed, rejected) and rejects by reason."""
    status = Counter(row.status for row in rows)
    counts = {"planned": len(rows), "committed": status[COMMITTED], "rejected": status[REJECTED]}
    reasons = Counter(row.reason for row in rows if row.status == REJECTED)
    return counts, dict(sorted(reasons.items()))


_REMAKE = "the shard is damaged: forget it with `facepairs gc --forget SHARD` and run the synthesis again."
