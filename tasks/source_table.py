"""The source table: one row per face of a folder of photos, usable or with the reason why not, as parquet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

NAN = float("nan")


@dataclass(frozen=True)
class SourceRow:
    """One row of the source table: a face, or a photo without one. An empty ``reason`` means usable."""

    id: str  # "<first 16 hex of the photo's sha256>-<face number>"; of a photo without faces: the 16 hex
    photo: str  # path relative to the photo folder
    sha256: str
    reason: str = ""
    detail: str = ""
    yaw: float = NAN  # degrees, of the fit (see ScaledOrtho.angles)
    pitch: float = NAN
    roll: float = NAN
    iod: float = NAN  # inter-ocular distance in photo pixels, as in a front view
    fit_rms: float = NAN  # over the inter-ocular distance
    sharpness: float = NAN  # variance of the Laplacian inside the landmark hull, at crop size
    face_share: float = NAN  # parsed face pixels over crop pixels
    upscale: float = NAN  # crop pixels per photo pixel
    score: float = NAN  # of the landmark model
    mirrored: float = NAN  # share of the side continued by mirroring
    tone: float = NAN  # skin's typology angle in degrees; this and the next three: assets.appearance
    age: float = NAN  # 0 smooth .. 1 lined or grey
    beard: float = NAN  # 0 none .. 1 full
    feminine: float = NAN  # 0 .. 1, by hair and lips
    identity: str = ""  # who it is, as its collection labels it: decides the split; empty when not labelled
    licence: str = ""  # SPDX id or terms (assets.terms); empty when nobody stated one
    attribution: str = ""  # whom to credit
    origin: str = ""  # where this photograph comes from: package and member, or address
    collection: str = ""  # the photo set it was read from

    def labelled(self, **labels: str) -> SourceRow:
        """The row with these labels, where they say something."""
        given: dict[str, Any] = {name: value for name, value in labels.items() if value}
        return replace(self, **given)


@dataclass(frozen=True)
class SourceTable:
    """All faces of a folder of photos, with the reasons of those that cannot be used."""

    rows: tuple[SourceRow, ...]

    @classmethod
    def collect(cls, annotated: Iterable[SourceRow]) -> SourceTable:
        """Rows ordered by id; a photo that is there twice counts once, by its first name."""
        rows: dict[str, SourceRow] = {}
        for row in annotated:
            if row.id not in rows or row.photo < rows[row.id].photo:
                rows[row.id] = row
        return cls(tuple(rows[i] for i in sorted(rows)))

    @property
    def usable(self) -> tuple[SourceRow, ...]:
        """Rows without a reason against them."""
        return tuple(row for row in self.rows if not row.reason)

    def write(self, path: Path) -> None:
        """Write a parquet file, whole or not at all."""
        temporary = path.with_name(f".{path.name}.part")
        pq.write_table(pa.Table.from_pylist([asdict(row) for row in self.rows], _SCHEMA), temporary)
        temporary.replace(path)

    @classmethod
    def read(cls, path: Path) -> SourceTable:
        """Read what :meth:`write` wrote; columns that older versions did not write are empty."""
        table = pq.read_table(path)
        known = [name for name in _SCHEMA.names if name in table.column_names]
        return cls(tuple(SourceRow(**row) for row in table.select(known).to_pylist()))


_SCHEMA = pa.schema([(f.name, pa.float32() if f.type == "float" else pa.string()) for f in fields(SourceRow)])
