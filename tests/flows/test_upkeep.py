from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from test_run_page import half_made

from flows import upkeep
from storage.errors import StoreError
from storage.store import Store

pytestmark = pytest.mark.usefixtures("run_server")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return half_made(tmp_path_factory.mktemp("upkeep")).root


def test_gc_removes_what_no_commit_names(store: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(store, tmp_path / "store")
    orphan = next((copy / "shards").iterdir()) / "dead.tar"
    orphan.write_bytes(b"12345")
    assert upkeep.gc(upkeep.GcConfig(store=copy, remove=False)) == {"orphans": 1, "bytes": 5}
    assert orphan.exists()
    assert upkeep.gc(upkeep.GcConfig(store=copy)) == {"orphans": 1, "bytes": 5}
    assert not orphan.exists()


def test_gc_touches_nothing_of_a_damaged_store(store: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(store, tmp_path / "store")
    tar = Store.open(copy).tar_paths()[0]
    tar.write_bytes(tar.read_bytes()[:-512])
    state = upkeep.gc(upkeep.GcConfig(store=copy), return_state=True)
    assert state.is_failed()
    assert "nothing was removed" in state.message


@pytest.mark.parametrize(("limit", "name"), [(0.1, "Failed"), (0.3, "Completed")])
def test_rejects_are_counted_on_disk(store: Path, limit: float, name: str) -> None:
    state = upkeep.check_rejects(store, limit, return_state=True)
    assert state.name == name
    assert "2 of 10 rows" in state.message
    assert "20%" in state.message


def test_an_event_about_no_store_fails_the_run(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        upkeep.check_rejects(tmp_path)
