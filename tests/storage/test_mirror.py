from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from pathlib import Path

import fsspec
import numpy as np
import pytest

from storage import mirror
from storage.dataset import PairDataset
from storage.errors import CorruptStore, StoreError
from storage.files import read_sealed, seal, sha256_bytes
from storage.layout import StoredFile
from storage.manifest import Manifest
from storage.mirror import Tars, pull, verify_remote
from storage.push import push
from storage.reader import EpochOrder, PairReader
from storage.remote import Remote
from storage.store import Store
from storage.verify import verify_store
from tests.storage.toy_bucket import bucket
from tests.storage.toy_store import synthesise, toy_outcomes


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with bucket() as url:
        yield url


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("local") / "store"
    synthesise(folder)
    return Store.open(folder)


@pytest.fixture(scope="module")
def url(s3: str, local: Store) -> str:
    push(local, f"{s3}/whole")
    return f"{s3}/whole"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FACEPAIRS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def _tars(cache: Path) -> set[str]:
    return {path.name for path in cache.rglob("*.tar")}


def test_a_reader_of_a_url_reads_the_same_and_fetches_what_it_needs(
    url: str, local: Store, cache: Path
) -> None:
    here, there = PairReader(local), PairReader(url)
    assert there.keys == here.keys
    assert _tars(cache) == set(), "nothing large is fetched before it is read"
    np.testing.assert_equal(there[0], here[0])
    assert len(_tars(cache)) == 1
    for i in EpochOrder(len(here), 3):
        np.testing.assert_equal(there[i], here[i])
    assert len(_tars(cache)) == len(local.plan.shards)


def test_what_is_in_the_cache_needs_no_second_fetch(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = PairReader(url)
    for i in range(len(reader)):
        reader[i]
    monkeypatch.setattr(Remote, "fetch", lambda *_: pytest.fail("everything is there"))
    again = PairReader(url)
    np.testing.assert_equal(again[3], reader[3])
    assert Store.open(url).read(reader.keys[0])["meta"]["key"] == reader.keys[0]


def test_loader_processes_fetch_by_themselves(url: str, local: Store, cache: Path) -> None:
    pairs, own = PairDataset(url, fields=["image"]), PairDataset(local, fields=["image"])
    order = EpochOrder(len(pairs), seed=1)
    # A fork server that another test started would not know where this bucket is.
    loader = pairs.loader(order, batch=4, workers=2, multiprocessing_context="spawn")
    got = [key for batch in loader for key in batch["key"]]
    assert got == [own.keys[i] for i in order]
    assert len(_tars(cache)) == len(local.plan.shards)


def _fetch(tars: Tars, file: StoredFile, paths: multiprocessing.Queue[str]) -> None:
    paths.put(str(tars(file)))


def test_readers_of_one_shard_fetch_it_once(
    url: str, local: Store, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tars, file = Store.open(url).tars, local.committed(1).tar
    context = multiprocessing.get_context("spawn")
    paths = context.Queue()
    readers = [context.Process(target=_fetch, args=(tars, file, paths)) for _ in range(3)]
    for process in readers:
        process.start()
    assert len({paths.get(timeout=60) for _ in readers}) == 1
    for process in readers:
        process.join(20)
    assert not list(cache.rglob("*.tmp"))
    fetched: list[str] = []
    monkeypatch.setattr(Remote, "fetch", lambda self, f, path: fetched.append(f.name))
    assert tars(file).is_file()
    assert fetched == []


def test_a_flipped_bit_there_is_never_read(s3: str, local: Store, cache: Path) -> None:
    url = f"{s3}/flipped"
    manifest = push(local, url).manifest
    file = local.committed(1).tar
    fs, path = fsspec.filesystem("s3"), f"{url}/{Remote(url).object_path(file)}"
    data = bytearray(fs.cat_file(path))
    data[700] ^= 1
    fs.pipe_file(path, bytes(data))
    reader = PairReader(url)
    first = next(i for i, key in enumerate(reader.keys) if local.shard_of(key) == 1)
    with pytest.raises(
        CorruptStore, match=r"objects/.*SHA-256 \w{12} expected, got .* delete that object and push"
    ):
        reader[first]
    assert _tars(cache) == set()
    assert verify_remote(url).ok, "sizes are right"
    problems = verify_remote(url, deep=True).problems
    assert [(problem.file, problem.shard) for problem in problems] == [(file.name, 1)]
    fs.rm(path)
    assert [problem.shard for problem in verify_remote(url).problems] == [1]
    push(local, url)
    assert verify_remote(url, deep=True).ok
    assert manifest.number == 1


def test_verify_counts_and_reads_what_it_says(url: str, local: Store, cache: Path) -> None:
    flat, deep = verify_remote(url), verify_remote(url, deep=True)
    assert flat.ok
    assert deep.ok
    assert flat.counts == deep.counts == verify_store(local).counts
    assert deep.bytes == Remote(url).manifest().size > flat.bytes
    assert _tars(cache) == set(), "nothing large is kept"


def test_a_pulled_store_is_the_pushed_one_and_an_interrupted_pull_goes_on(
    url: str, local: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch, fetched = Remote.fetch, []

    def dies(self: Remote, file: StoredFile, target: Path) -> None:
        if len(fetched) == 4:
            raise KeyboardInterrupt
        fetched.append(file.name)
        fetch(self, file, target)

    monkeypatch.setattr(Remote, "fetch", dies)
    copy = tmp_path / "copy"
    with pytest.raises(KeyboardInterrupt):
        pull(url, copy)
    with pytest.raises(StoreError, match="is not a store"):
        Store.open(copy)
    told: list[tuple[int, int, int]] = []
    monkeypatch.setattr(Remote, "fetch", fetch)
    pull(url, copy, tell=lambda *step: told.append(step))
    assert told[-1][0] == told[-1][1] < len(Remote(url).manifest().files), "what had come did not come again"
    assert verify_store(copy, deep=True).ok
    for path in local.root.rglob("*"):
        if path.is_file() and not path.name.startswith("."):
            assert (copy / path.relative_to(local.root)).read_bytes() == path.read_bytes()
    assert not list(copy.rglob("*.tmp"))
    (copy / local.committed(0).tar.name).write_bytes(b"torn")
    pull(url, copy)
    assert verify_store(copy, deep=True).ok


def test_a_pull_overwrites_nothing_of_others(url: str, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    with pytest.raises(StoreError, match=r"holds 'thesis.tex', which is not in s3:.*choose a new folder"):
        pull(url, tmp_path / "mine")
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["thesis.tex"]
    other = pull(url, tmp_path / "other")
    (tmp_path / "other" / "LATEST").write_bytes(b"a later one")
    with pytest.raises(StoreError, match=r"'LATEST' in .* is another than in s3:"):
        pull(url, tmp_path / "other")
    assert other.number == 1


def test_an_upload_that_is_not_there_is_told_with_those_that_are(url: str, tmp_path: Path) -> None:
    with pytest.raises(
        StoreError, match=r"has no upload 7; its uploads are 1: give one of them with --number"
    ):
        pull(url, tmp_path / "new", 7)
    assert not (tmp_path / "new").exists()


def test_a_mirror_is_for_reading(url: str, local: Store) -> None:
    store = Store.open(url)
    with pytest.raises(StoreError, match="mirrors a remote store for reading; pull the store"):
        store.write_shard(0, toy_outcomes(local, 0))


def _forge(url: str, change: dict[str, StoredFile]) -> None:
    """Publish a manifest with some entries replaced, as somebody with access to the bucket could."""
    last = Remote(url).manifest()
    files = tuple(change.get(file.name, file) for file in last.files)
    forged = Manifest(last.number + 1, last.plan, last.generation, files)
    fsspec.filesystem("s3").pipe_file(f"{url}/published/{forged.number:06d}.json", forged.sealed())


def test_a_hostile_commit_does_not_write_outside_of_the_cache(
    s3: str, local: Store, tmp_path: Path, cache: Path
) -> None:
    url = f"{s3}/hostile"
    push(local, url)
    body = read_sealed(local.root / "commits" / "000001.json")
    body["tar"]["sha256"] = "../../../../evil"
    (tmp_path / "forged.json").write_bytes(seal(body))
    data = (tmp_path / "forged.json").read_bytes()
    file = StoredFile("commits/000001.json", len(data), sha256_bytes(data))
    Remote(url).send(tmp_path / "forged.json", file)
    _forge(url, {file.name: file})
    store = Store.open(url)
    with pytest.raises(
        CorruptStore, match=r"has the SHA-256 '\.\./\.\./\.\./\.\./evil' in its commit; do not use"
    ):
        store.tar(store.committed(1))
    assert not list(tmp_path.rglob("*evil*"))
    assert {path.parent for path in tmp_path.rglob("*") if path.is_file()} - {tmp_path} == {
        path.parent for path in cache.rglob("*") if path.is_file()
    }


def test_an_announced_bomb_is_refused_before_it_comes(s3: str, local: Store, cache: Path) -> None:
    url = f"{s3}/bomb"
    push(local, url)
    _forge(url, {"snapshot/head.npz": StoredFile("snapshot/head.npz", 10**18, "ab" * 32)})
    with pytest.raises(StoreError, match=r"MB needed at .* MB free"):
        Store.open(url)
    assert not [path for path in cache.rglob("*") if path.is_file()]
    assert verify_remote(url).problems[0].file == "snapshot/head.npz"


def test_no_space_is_told_before_the_fetch(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10})())
    with pytest.raises(StoreError, match="free some space and run the same command again"):
        pull(url, tmp_path / "copy")
