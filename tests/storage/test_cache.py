from __future__ import annotations

from pathlib import Path

import pytest

from storage.cache import default_cache


def test_our_own_variable_goes_before_the_users_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FACEPAIRS_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert default_cache() == Path.home() / ".cache" / "facepairs"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "facepairs"
    monkeypatch.setenv("FACEPAIRS_CACHE", "~/faces")
    assert default_cache() == Path.home() / "faces"
