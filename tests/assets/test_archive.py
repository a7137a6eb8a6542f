import numpy as np
import pytest

from assets.readers.archive import Archive
from assets.registry import AssetError


@pytest.fixture
def file(tmp_path):
    table = np.zeros(2, object)
    table[:] = [[1], [2, 3]]
    rows = np.arange(60, dtype=np.float32).reshape(10, 3, 2)
    path = tmp_path / "a.npz"
    np.savez_compressed(path, rows=rows, table=table, map={4: 5}, columns=np.asfortranarray(rows))
    return path


def test_arrays_objects_and_pieces(file):
    archive = Archive(file)
    assert archive.names == ("rows", "table", "map", "columns")
    assert archive.shape("rows") == (10, 3, 2)
    np.testing.assert_array_equal(archive.read("columns"), archive.read("rows"))
    assert archive.read("table") == [[1], [2, 3]]
    assert archive.read("map") == {4: 5}
    pieces = list(archive.rows("rows", 4))
    assert [len(p) for p in pieces] == [4, 4, 2]
    np.testing.assert_array_equal(np.concatenate(pieces), archive.read("rows"))


def test_what_cannot_be_read_is_said_in_a_sentence(file, tmp_path):
    with pytest.raises(AssetError, match="no array 'core'"):
        Archive(file).read("core")
    with pytest.raises(AssetError, match="row by row"):
        list(Archive(file).rows("columns", 4))
    with pytest.raises(AssetError, match="does not exist"):
        Archive(tmp_path / "b.npz").read("x")
    data = file.read_bytes()
    cut = tmp_path / "cut.npz"
    cut.write_bytes(data[: len(data) // 2])
    with pytest.raises(AssetError, match="damaged or cut short"):
        Archive(cut).read("rows")
    bent = bytearray(data)
    bent[80:100] = bytes(20)
    cut.write_bytes(bent)
    with pytest.raises(AssetError, match="damaged or cut short"):
        Archive(cut).read("rows")
