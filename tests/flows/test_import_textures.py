"""HeadSpace scans by the command line; TU scans and colour models are in ``test_import_heads``."""

import numpy as np
import pytest
from published import write_headspace

from assets.registry import ledger, texture_pool
from flows.cli import main


def test_a_scan_becomes_a_texture_without_its_cap(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FACEPAIRS_ASSETS", str(tmp_path / "assets"))
    texture_pool.cache_clear()
    folder = write_headspace(tmp_path / "subjects")
    damaged = folder / "00002" / "2.obj"
    damaged.parent.mkdir()
    damaged.write_text("v 0 0 0\n")
    damaged.with_suffix(".bmp").write_bytes(b"cut")
    with pytest.raises(SystemExit) as ended:
        main(["assets", "import", "headspace", str(folder)])
    assert not ended.value.code
    assert "subject 00002: " in capsys.readouterr().out
    assert "headspace_00002" not in ledger().entries_by_name
    entry = ledger().entry("headspace_00001")
    assert (entry.licence, entry.commercial) == ("HeadSpace", False)
    image = texture_pool().image("headspace_00001")[texture_pool().valid("headspace_00001")].astype(int)
    green = (image[:, 1] > image[:, 0] + 15).mean()
    assert green < 0.03  # a seam of the cap
    assert len(image) > 0.1 * 1024**2
    assert image.std(0).max() < 70
    assert np.median(image[:, 0]) > np.median(image[:, 2])
    texture_pool.cache_clear()
    with pytest.raises(SystemExit):
        main(["assets", "import", "headspace", str(tmp_path / "nowhere")])
    assert "no HeadSpace subjects" in capsys.readouterr().err
