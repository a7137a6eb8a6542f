from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from storage.errors import CorruptStore, StoreError
from storage.generation import publish
from storage.manifest import Manifest
from storage.mirror import pull, verify_remote
from storage.push import push, store_files
from storage.remote import Remote
from storage.store import Store
from tests.storage.toy_bucket import bucket
from tests.storage.toy_store import fill, flip_bit, synthesise, toy_create, toy_plan


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with bucket() as url:
        yield url


@pytest.fixture
def store(tmp_path: Path) -> Store:
    synthesise(tmp_path / "store")
    return Store.open(tmp_path / "store")


def test_everything_of_the_store_goes_up_once(s3: str, store: Store, tmp_path: Path) -> None:
    url = f"{s3}/once"
    first = push(store, url)
    assert (first.manifest.number, first.manifest.generation, first.kept) == (1, "gen-000001.json", 0)
    names = set(first.manifest.by_name)
    assert {
        "store.json",
        "LATEST",
        "plan/plan.parquet",
        "snapshot/head.npz",
        "manifests/gen-000001.json",
    } < names
    assert len([n for n in names if n.startswith("shards/")]) == 2 * len(store.plan.shards)
    assert len(Remote(url).objects()) == first.sent
    again = push(store, url)
    assert (again.sent, again.kept, again.manifest) == (0, first.sent, first.manifest)
    assert Remote(url).numbers() == [1]
    assert verify_remote(url, deep=True, cache=tmp_path / "cache").ok


def test_nothing_of_dead_or_living_attempts_goes_along(store: Store) -> None:
    (store.root / "tmp" / "000001-dead").mkdir()
    (store.root / "tmp" / "000001-dead" / "shard.tar").write_bytes(b"half")
    (store.root / "shards" / "000" / "000001-orphan.tar").write_bytes(b"orphan")
    (store.root / "alarms" / "000001-a.json").write_bytes(b"{}")
    assert not [
        f.name for f in store_files(store) if "dead" in f.name or "orphan" in f.name or "alarms" in f.name
    ]


def test_an_interrupted_upload_is_invisible_and_goes_on(
    s3: str, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"{s3}/interrupted"
    send = Remote.send
    sent: list[str] = []
    lock = threading.Lock()

    def dies(self: Remote, path: Path, file: Any) -> None:
        with lock:
            if len(sent) == 5:
                raise KeyboardInterrupt
            sent.append(file.name)
        send(self, path, file)

    monkeypatch.setattr(Remote, "send", dies)
    with pytest.raises(KeyboardInterrupt):
        push(store, url)
    with pytest.raises(
        StoreError, match=r"an upload of \d files was not finished; type `facepairs push STORE s3:"
    ):
        Remote(url).manifest()
    there = len(Remote(url).objects())
    monkeypatch.setattr(Remote, "send", send)
    went_on = push(store, url)
    assert (went_on.kept, went_on.sent) == (there, len(store_files(store)) - there)
    assert verify_remote(url, deep=True, cache=tmp_path / "cache").ok


def test_a_torn_object_is_sent_again(s3: str, store: Store) -> None:
    url = f"{s3}/torn"
    remote, file = Remote(url), next(f for f in store_files(store) if f.name.endswith(".tar"))
    fsspec.filesystem("s3").pipe_file(f"{url}/{remote.object_path(file)}", b"half of it")
    assert push(store, url).kept == 0
    remote.check(file)


def test_a_flipped_bit_here_is_not_passed_on(s3: str, store: Store) -> None:
    flip_bit(store.root / store.committed(2).tar.name, 700)
    with pytest.raises(
        CorruptStore, match=r"shards/000/000002-\w+.tar is not what it was .* nothing is published"
    ):
        push(store, f"{s3}/flipped")
    assert Remote(f"{s3}/flipped").numbers() == []


def test_an_unfinished_store_is_pushed_pulled_and_finished_elsewhere(s3: str, tmp_path: Path) -> None:
    url = f"{s3}/unfinished"
    here = toy_create(tmp_path / "here")
    with pytest.raises(StoreError, match="has no committed shard to upload"):
        push(here, url)
    fill(here, [0, 2])
    assert push(here, url).manifest.generation == ""
    pull(url, tmp_path / "there")
    there = toy_create(tmp_path / "there")
    assert there.pending() == [1, 3]
    fill(there)
    assert publish(there).hash == synthesise(tmp_path / "quiet").hash
    assert push(there, url).manifest.number == 2
    with pytest.raises(StoreError, match=r"holds 2 shards that this store lacks, first commits/000001.json"):
        push(here, url)


def test_another_plan_is_refused_before_anything_is_sent(s3: str, store: Store, tmp_path: Path) -> None:
    url = f"{s3}/plan"
    push(store, url)
    other = toy_create(tmp_path / "other", toy_plan(seed=8))
    fill(other)
    before = Remote(url).objects()
    with pytest.raises(
        StoreError, match=r"holds a store of plan \w{12}, this one has plan \w{12}; choose another"
    ):
        push(other, url)
    assert Remote(url).objects() == before


def test_of_two_uploads_at_once_each_gets_its_number(
    s3: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"{s3}/race"
    numbers, late = Remote.numbers, []

    def listed(self: Remote) -> list[int]:
        """The first look is at an empty place; before it is acted on, somebody else publishes."""
        seen = numbers(self)
        if not late:
            late.append(True)
            rival = Manifest(
                1, store.plan.hash, "", tuple(f for f in store_files(store) if "commits" not in f.name)
            )
            fsspec.filesystem("s3").pipe_file(f"{url}/published/000001.json", rival.sealed(), mode="create")
        return seen

    files = store_files(store)
    monkeypatch.setattr(Remote, "numbers", listed)
    mine = Remote(url).publish(files, store.plan.hash, "gen-000001.json")
    assert mine.number == 2
    assert Remote(url).manifest() == mine


def test_a_store_that_is_at_work_is_pushed_as_it_is(s3: str, tmp_path: Path) -> None:
    url = f"{s3}/working"
    store = toy_create(tmp_path / "store")
    fill(store, [0])
    push(store, url)
    fill(store, [1])
    more = push(store, url)
    assert more.manifest.commits == {"commits/000000.json", "commits/000001.json"}
    assert more.sent == 3, "tar, index and commit of the new shard"
