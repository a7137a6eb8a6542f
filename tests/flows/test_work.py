from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from assets.registry import AssetError
from flows import work
from flows.config import SynthesizeConfig


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"textures": ("nosuch",)}, "there is no texture 'nosuch'"),
        ({"heads": ("nosuch",)}, "no asset 'nosuch'"),
        ({"limits": {"nosuch": 1.0}}, "no limit 'nosuch'"),
    ],
)
def test_unknown_names_are_refused_before_the_first_photograph(
    tmp_path: Path, wrong: dict[str, Any], said: str
) -> None:
    config = SynthesizeConfig(out=tmp_path / "out", cache=tmp_path / "cache", **wrong).model_dump(mode="json")
    with pytest.raises(AssetError, match=said):
        work.annotate(config, [], lambda event: None)
    assert not (tmp_path / "out").exists()
