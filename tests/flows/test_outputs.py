from __future__ import annotations

import os
from pathlib import Path

import pytest

from flows.outputs import PICTURES, check_at_least, check_file, check_folder
from storage.errors import StoreError


def test_what_can_be_written_is_let_through_and_nothing_is_made(tmp_path: Path) -> None:
    check_file(tmp_path / "new" / "deep" / "x.PNG", suffixes=PICTURES)
    check_file(tmp_path / "without-an-ending", suffixes=PICTURES)
    check_folder(tmp_path / "new" / "deep")
    check_folder(tmp_path)
    check_at_least(1, count=1, shard_size=2)
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        StoreError, match=r"^--sheet .* is a folder; give the name of a file, such as .*/new\.png\.$"
    ):
        check_file(tmp_path, "--sheet", PICTURES)
    with pytest.raises(StoreError, match="--out /dev/null is no plain file"):
        check_file(Path("/dev/null"))
    with pytest.raises(StoreError, match=r"ends in '\.gif'; give a name that ends in \.png or \.jpg"):
        check_file(tmp_path / "x.gif", suffixes=PICTURES)
    with pytest.raises(StoreError, match=r"^--out .*file is a file; give a folder"):
        check_folder(tmp_path / "file")
    for check in (check_file, check_folder):
        with pytest.raises(StoreError, match="/file is a file, not a folder; give another place"):
            check(tmp_path / "file" / "deep" / "x")
    with pytest.raises(StoreError, match=r"^--shard-size takes 1 or more, got 0"):
        check_at_least(1, count=1, shard_size=0)


def test_a_place_without_rights_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    for check in (check_file, check_folder):
        with pytest.raises(StoreError, match=f"{tmp_path} is read-only for you; give another place"):
            check(tmp_path / "deep" / "x")
