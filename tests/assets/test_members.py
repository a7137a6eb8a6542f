from __future__ import annotations

import hashlib
import struct
import zipfile
from pathlib import Path

import numpy as np
import photo_layouts
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.readers import members
from assets.readers.members import Member, MemberError, parquet_place, read_place, zip_place
from assets.readers.tree import Tree


def test_members_are_read_where_they_lie(tmp_path: Path) -> None:
    data = np.random.default_rng(0).bytes(5000)
    photo_layouts.write(tmp_path, {"a.jpg": data})
    photo_layouts.tar(tmp_path / "b.tar", {"in/a.jpg": data})
    photo_layouts.zipped(tmp_path / "c.zip", {"a.jpg": data})
    photo_layouts.zipped(tmp_path / "d.zip", {"a.jpg": data}, zipfile.ZIP_STORED)
    tree = Tree.of(tmp_path)
    assert sorted(tree.files) == ["a.jpg", "b.tar/in/a.jpg", "c.zip/a.jpg", "d.zip/a.jpg"]
    for where in tree.files.values():
        assert read_place(where) == data


def test_a_path_with_colons_is_a_path(tmp_path: Path) -> None:
    file = tmp_path / "tar:1:2:3.jpg"
    file.write_bytes(b"x")
    assert read_place(str(file)) == b"x"
    inner = photo_layouts.tar(tmp_path / "a:b.tar", {"c": b"hello"})
    assert read_place(Tree.of(inner).files["c"]) == b"hello"


def test_parquet_cells_of_structs_and_of_plain_columns(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    images = pa.array([{"bytes": bytes([i]), "path": ""} for i in range(5)], kind)
    pq.write_table(
        pa.table({"an image": images, "raw": [b"r0", b"r1", None, b"r3", b"r4"]}), file, row_group_size=2
    )
    assert read_place(parquet_place(file, 1, 1, "an image.bytes")) == bytes([3])
    assert read_place(parquet_place(file, 2, 0, "raw")) == b"r4"
    with pytest.raises(MemberError, match="holds no picture"):
        read_place(parquet_place(file, 1, 0, "raw"))
    with pytest.raises(MemberError, match="damaged parquet"):
        read_place(parquet_place(file, 9, 0, "raw"))


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    bomb = photo_layouts.zipped(tmp_path / "bomb.zip", {"a.jpg": bytes(50_000_000)})
    (where,) = Tree.of(bomb).files.values()
    kind, offset, stored, size, method, crc, path = where.split(":", 6)
    assert (kind, size, method) == ("zip", "50000000", "8")
    # A directory that promises little is not believed beyond it; one that promises too much is not read.
    with pytest.raises(MemberError, match="1000 bytes promised, more unpacked"):
        read_place(zip_place(path, int(offset), int(stored), 1000, 8, int(crc)))
    with pytest.raises(MemberError, match="more than a picture"):
        read_place(zip_place(path, int(offset), int(stored), members.MAX_BYTES + 1, 8, int(crc)))
    with pytest.raises(MemberError, match="more than a picture"):
        read_place(f"tar:0:{members.MAX_BYTES + 1}:{path}")


def test_damaged_archives_are_errors_of_the_file(tmp_path: Path) -> None:
    file = photo_layouts.zipped(tmp_path / "a.zip", {"a.jpg": np.random.default_rng(0).bytes(3000)})
    (where,) = Tree.of(file).files.values()
    data = bytearray(file.read_bytes())
    data[60:80] = bytes(20)
    file.write_bytes(data)
    with pytest.raises(MemberError, match=r"damaged|promised"):
        read_place(where)
    file.write_bytes(bytes(30) + struct.pack("<I", 1))
    with pytest.raises(MemberError, match=r"no member|ends .* early"):
        read_place(where)
    file.unlink()
    with pytest.raises(OSError, match="No such file"):
        read_place(where)


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 200))
def test_no_bytes_of_an_archive_raise_anything_else(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, at: int
) -> None:
    file = tmp_path_factory.mktemp("fuzz") / "a.zip"
    file.write_bytes(b"PK\x03\x04" + data)
    with pytest.raises(OSError, match=r"promise|damaged|early|no member"):
        read_place(zip_place(file, 0, at, 100, 8, 0))


def test_masks_are_part_of_the_content(tmp_path: Path) -> None:
    photo_layouts.write(tmp_path, {"a": b"photo", "m": b"mask", "n": b"musk"})
    plain = Member(str(tmp_path / "a"), "a")
    assert plain.sha256() == hashlib.sha256(b"photo").hexdigest()
    masked = [Member(str(tmp_path / "a"), "a", {"skin": str(tmp_path / name)}) for name in "mn"]
    assert len({plain.sha256(), *(m.sha256() for m in masked)}) == 3
