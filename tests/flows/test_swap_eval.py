"""Scores, rivals and the sample sheet."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from toy_face import toy_face

from flows.swap_eval import (
    completion_rows,
    inpainting_rows,
    rivals,
    rows_of,
    score_table,
    scores,
    write_sheet,
)
from models.networks.completion import CompletionNet
from models.networks.inpainting import InpaintingNet


def test_rivals_never_see_the_hole_nor_its_surroundings() -> None:
    image = np.random.default_rng(0).integers(0, 256, (48, 48, 3), dtype=np.uint8)
    unknown = np.zeros((48, 48), bool)
    unknown[20:48] = True
    hidden = np.zeros((48, 48), bool)
    hidden[20:28] = True
    other = np.where(unknown[..., None], 255 - image, image).astype(np.uint8)
    for name, answer in rivals(image, hidden, unknown).items():
        np.testing.assert_array_equal(answer[hidden], rivals(other, hidden, unknown)[name][hidden])
    flat = np.full((48, 48, 3), 90, np.uint8)
    for answer in rivals(flat, hidden, unknown).values():
        assert np.abs(answer[hidden].astype(int) - 90).max() <= 5  # Telea's own error


def test_rows_scores_table_and_sheet(tmp_path: Path) -> None:
    faces = [toy_face("ann#0"), toy_face("bob#0", mouth=False)]
    rows = completion_rows(CompletionNet(width=12).eval(), faces)
    assert [r[0] for r in rows] == ["eyes ann#0", "mouth ann#0", "eyes bob#0"]
    for _, answers, hidden, truth in rows:
        np.testing.assert_array_equal(answers["ours"][~hidden], truth[~hidden])
    values = scores(rows)
    assert 0 < values["eyes SSIM/ns"] < 1
    assert not any("features" in name for name in values)
    assert set(values) >= {"eyes/ours", "eyes/telea", "eyes/ns", "eyes/mean", "mouth/ours", "mouth/sketch"}
    # Even the sketch of an untrained network knows more of an eye than its lids tell.
    assert values["eyes/ours, gaze given"] > values["eyes/telea"]
    table = score_table(values)
    assert table.splitlines()[0].startswith("| hole |")
    assert f"{values['eyes/ns']:.2f}" in table
    write_sheet(tmp_path / "sheet.png", rows)
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet is not None
    assert sheet.shape[0] == 20 + 3 * 192


def test_inpainting_rows_are_fixed_and_honest() -> None:
    net = InpaintingNet(width=8).eval()
    first, second = (rows_of("inpainting")(net, [toy_face("ann#0")]) for _ in range(2))
    assert first
    assert scores(first) == scores(second)
    for _, answers, hidden, truth in inpainting_rows(net, [toy_face("ann#0")]):
        assert not answers["hidden"][hidden].any()
        known = (truth.max(-1) > 0) & ~hidden
        np.testing.assert_array_equal(answers["ours"][known], truth[known])
