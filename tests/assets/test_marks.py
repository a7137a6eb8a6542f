import json

import numpy as np
import pytest

from assets.readers.marks import GROUPS, read_marks
from assets.registry import AssetError

POINTS = np.arange(204.0).reshape(68, 3)


@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.pts", "a.npy", "a.json"])
def test_every_form_reads_the_same(tmp_path, name):
    path = tmp_path / name
    lines = [f"{x} {y} {z}" for x, y, z in POINTS]
    if name.endswith("npy"):
        np.save(path, POINTS)
    elif name.endswith("json"):
        path.write_text(json.dumps(POINTS.tolist()))
    elif name.endswith("pts"):
        path.write_text("version: 1\nn_points: 68\n{\n" + "\n".join(lines) + "\n}\n")
    elif name.endswith("csv"):
        path.write_text("\n".join(line.replace(" ", ",") for line in lines))
    else:
        path.write_text("# x y z\n" + "\n".join(lines) + "\n")
    np.testing.assert_array_equal(read_marks(path), POINTS)


def test_menpos_groups_are_put_into_ibug_order(tmp_path):
    sizes = dict(GROUPS)
    order = ("chin", "leye", "reye", "leyebrow", "nose", "reyebrow", "mouth")  # of menpo's james
    start, labels = 0, []
    for name in order:
        labels.append({"label": name, "mask": list(range(start, start + sizes[name]))})
        start += sizes[name]
    group = {"landmarks": {"points": POINTS.tolist()}, "labels": labels}
    (tmp_path / "a.ljson").write_text(json.dumps({"groups": {"LJSON": group}}))
    rows = read_marks(tmp_path / "a.ljson")[:, 0] / 3
    assert rows[17] == 29  # first brow point
    assert rows[36] == 17  # first eye point
    assert sorted(rows) == list(range(68))


def test_null_is_not_known(tmp_path):
    points = POINTS.tolist()
    points[5] = [None, None, None]
    (tmp_path / "a.json").write_text(json.dumps(points))
    assert np.isnan(read_marks(tmp_path / "a.json")[5]).all()


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.txt", "1 2 3\n", "1 x 3 numbers"),
        ("a.txt", "a b c\n", "no landmarks"),
        ("a.json", "{}", "no landmarks"),
    ],
)
def test_other_files_are_told(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
    with pytest.raises(AssetError, match=said):
        read_marks(tmp_path / name)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(AssetError, match="there is no file"):
        read_marks(tmp_path / "a.txt")
