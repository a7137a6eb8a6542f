"""The page of a level shows its numbers; a server that is away costs the page alone."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from flows.train_page import SHEET, plot, read_curves, show
from models.networks.train_swap_loop import Curve


def test_a_step_that_was_done_again_counts_once(tmp_path: Path) -> None:
    curve = Curve(tmp_path)
    for step, value in ((25, 1.0), (50, 0.5), (25, 0.9)):
        curve.log(step, {"loss": value})
    assert read_curves(tmp_path / "curves.csv") == {"loss": [(25, 0.9), (50, 0.5)]}


def test_a_lower_loss_is_drawn_lower() -> None:
    image = cv2.imdecode(np.frombuffer(plot({"loss": [(1, 1.0), (100, 0.1)]}), np.uint8), cv2.IMREAD_COLOR)
    inked = (image.astype(int).max(-1) - image.min(-1)) > 60
    rows, columns = np.nonzero(inked[:224])
    assert rows[columns < 60].mean() < 60
    assert rows[columns > 600].mean() > 180


def test_nothing_is_drawn_of_nothing() -> None:
    assert plot({})[:4] == b"\x89PNG"


def test_files_are_there_without_a_server(tmp_path: Path) -> None:
    Curve(tmp_path).log(25, {"loss": 1.0})
    show(tmp_path, "base", np.full((8, 24, 3), 90, np.uint8))
    assert (tmp_path / "curves.png").is_file()
    assert cv2.imread(str(tmp_path / SHEET)).shape == (8, 24, 3)
