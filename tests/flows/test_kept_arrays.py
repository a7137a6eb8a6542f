"""Arrays are made once, and a folder is whole or absent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from flows.kept_arrays import kept_arrays


def test_arrays_are_made_once(tmp_path: Path) -> None:
    calls = []

    def make() -> dict[str, np.ndarray]:
        calls.append(1)
        return {"a": np.arange(6).reshape(3, 2), "b": np.ones(3, np.float16)}

    for _ in range(2):
        found = kept_arrays(tmp_path / "deep" / "kept", make)
        assert np.array_equal(found["a"], np.arange(6).reshape(3, 2))
        assert found["b"].dtype == np.float16
    assert len(calls) == 1


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    def make() -> dict[str, np.ndarray]:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        kept_arrays(tmp_path / "kept", make)
    assert list(tmp_path.iterdir()) == []
