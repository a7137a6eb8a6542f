from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from flows.charts import _ticks, bars, groups, histogram, lines

SVG = "{http://www.w3.org/2000/svg}"


def test_bars_are_as_long_as_their_numbers() -> None:
    drawn = ET.fromstring(bars({"a<b": 4, "c": 2, "none": 0}))
    rects = drawn.findall(f"{SVG}rect")[1:]
    long = [float(r.get("width", "")) for r in rects]
    assert long[0] == pytest.approx(2 * long[1], abs=0.2)
    assert long[2] == 0
    assert [t.text for t in drawn.findall(f"{SVG}text")] == ["a<b", "4", "c", "2", "none", "0"]


def test_groups_leave_the_place_of_a_missing_value_empty() -> None:
    drawn = ET.fromstring(groups(("x", "y"), {"one": [1.0, None], "two": [2.0, 0.5]}))
    heights = [
        float(r.get("height", ""))
        for r in drawn.findall(f"{SVG}rect")[1:]
        if float(r.get("height", "")) != 10
    ]
    assert len(heights) == 3
    assert heights[1] == pytest.approx(2 * heights[0], abs=0.2)


def test_histograms_share_an_axis_and_survive_nothing() -> None:
    drawn = ET.fromstring(histogram({"a": [1.0, 2.0, None, float("nan")], "b": [1.0]}, span=(0, 4)))
    words = [t.text for t in drawn.findall(f"{SVG}text")]
    assert words == ["a", "b", "0", "1", "2", "3", "4"]
    ET.fromstring(histogram({}))
    ET.fromstring(histogram({"same": [3.0, 3.0]}))
    ET.fromstring(bars({}))
    ET.fromstring(groups((), {}))


def test_ticks_are_round_and_inside() -> None:
    assert _ticks(-90, 90) == [-50, 0, 50]
    assert _ticks(0, 2.9) == [0, 0.5, 1, 1.5, 2, 2.5]


def test_lines_pass_through_their_points_in_both_scales() -> None:
    series = {"a": [(1, 1), (10, 100)], "b": [(1, 10), (10, 10)]}
    for log in (False, True):
        drawn = ET.fromstring(lines(series, "size & so on", "time", log=log))
        found = [e.attrib["points"].split() for e in drawn.findall(f"{SVG}polyline")]
        assert [len(points) for points in found] == [2, 2]
        heights = [float(p.split(",")[1]) for p in found[1]]
        assert heights[0] == heights[1]
    assert lines({}, "x", "y").endswith("</svg>")
