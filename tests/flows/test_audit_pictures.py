from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from toy_audit import HEAD, READER, ToyAuditRecipe, make_store

from flows import audit
from flows.audit_pictures import SIDE
from flows.audit_report import Findings, _sections


def test_strips_show_photo_pair_and_render_with_their_contours(tmp_path: Path, monkeypatch) -> None:
    kept: list[Findings] = []
    monkeypatch.setattr(audit, "write_page", lambda path, found: kept.append(found))
    store = make_store(tmp_path / "store")
    audit.run_audit(store.root, 8, recipe=ToyAuditRecipe(), observer=READER, heads=lambda name: HEAD)
    (found,) = kept
    sections = {section.title: section for section in _sections(found, shots=4)}
    shots = sections["2D–3D gap"].shots
    assert [shot.name for shot in shots] == ["gap-1", "gap-2", "gap-3", "gap-4"]
    assert sum("worst" in shot.caption for shot in shots) == 2
    for shot in shots:
        image = cv2.imdecode(np.frombuffer(shot.webp, np.uint8), cv2.IMREAD_COLOR).astype(int)
        assert image.shape == (SIDE, 3 * SIDE, 3)
        red = (image[..., 2] > 190) & (image[..., 1] < 120)
        green = (image[..., 1] > 190) & (image[..., 2] < 120)
        for k in range(3):
            tile = slice(k * SIDE, (k + 1) * SIDE)
            assert green[:, tile].sum() > 200
            # Where picture and shape agree, the later colour covers the first.
            assert (red[:, tile].sum() < 0.5 * green[:, tile].sum()) == (k == 2)
