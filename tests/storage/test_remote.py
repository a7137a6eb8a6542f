from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from fsspec.registry import _registry as loaded

from storage.errors import CorruptStore, StoreError
from storage.layout import StoredFile
from storage.push import push
from storage.remote import Remote, is_url
from storage.store import Store
from tests.storage.toy_bucket import KEYS, bucket, forget_connections
from tests.storage.toy_store import synthesise


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with bucket() as url:
        yield url


def test_urls_are_told_from_folders() -> None:
    assert is_url("s3://bucket/x")
    assert not is_url("out/demo")
    assert not is_url(Path("s3:/bucket"))


def test_missing_things_are_one_sentence_each(s3: str) -> None:
    with pytest.raises(
        StoreError, match=r"s3://pairs-\w+/empty: there is no store; type `facepairs push STORE s3:"
    ):
        Remote(f"{s3}/empty").manifest()
    with pytest.raises(StoreError, match=r"bucket does not exist; check the name, and make the bucket first"):
        Remote("s3://nobodys-bucket/x").numbers()
    with pytest.raises(
        StoreError, match=r"Protocol not known: nonsense; give a URL such as s3://bucket/prefix"
    ):
        Remote("nonsense://x").numbers()


def test_missing_credentials_are_one_sentence(s3: str, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name in KEYS:
            patch.delenv(name)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
            patch.setenv(name, str(tmp_path / "none"))
        forget_connections()
        with pytest.raises(StoreError, match=r"no usable credentials were found .*set AWS_ACCESS_KEY_ID and"):
            Remote(s3).numbers()
    forget_connections()


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(loaded, "s3", raising=False)
    with pytest.raises(
        StoreError, match=r"needs a package that is missing; type `pip install 'facepairs\[s3\]'`"
    ):
        Remote("s3://bucket/x").numbers()


def test_a_refused_request_is_told(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fs = Remote(s3)._place[0]

    def refuse(*arguments: object, **named: object) -> None:
        raise PermissionError("Forbidden")

    monkeypatch.setattr(fs, "cat_file", refuse)
    with pytest.raises(StoreError, match=r"access was denied \(Forbidden\); use credentials that may"):
        Remote(s3).read("published/000001.json", 10)


def test_fetch_is_whole_or_absent(s3: str, tmp_path: Path) -> None:
    remote = Remote(f"{s3}/fetch")
    good = StoredFile("run.json", 5, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824")
    (tmp_path / "hello").write_bytes(b"hello")
    remote.send(tmp_path / "hello", good)
    remote.fetch(good, tmp_path / "new" / "run.json")
    assert (tmp_path / "new" / "run.json").read_bytes() == b"hello"
    for lie, got in (
        (StoredFile("run.json", 4, good.sha256), 4),
        (StoredFile("run.json", 10**15, good.sha256), 5),
    ):
        with pytest.raises(
            CorruptStore, match=rf"{lie.bytes} bytes with SHA-256 2cf24dba5fb0 expected, got {got}"
        ):
            remote.fetch(lie, tmp_path / "lie" / "run.json")
        assert list((tmp_path / "lie").iterdir()) == [], "nothing half-written remains"
    with pytest.raises(StoreError, match="check the name"):
        remote.fetch(StoredFile("run.json", 5, "0" * 64), tmp_path / "lie" / "run.json")


def test_a_torn_or_renumbered_manifest_is_refused(s3: str, tmp_path: Path) -> None:
    synthesise(tmp_path / "store")
    url = f"{s3}/torn"
    sealed = push(Store.open(tmp_path / "store"), url).manifest.sealed()
    fs = fsspec.filesystem("s3")
    fs.pipe_file(f"{url}/published/000002.json", sealed)
    with pytest.raises(CorruptStore, match="says that it is number 1"):
        Remote(url).manifest()
    fs.pipe_file(f"{url}/published/000003.json", sealed[:-40])
    with pytest.raises(CorruptStore, match=r"000003.json: the file does not match its own seal"):
        Remote(url).manifest()
    assert Remote(url).manifest(1).number == 1


def test_a_folder_can_be_a_remote_place_too(tmp_path: Path) -> None:
    synthesise(tmp_path / "store")
    url = (tmp_path / "share").as_uri()
    assert push(Store.open(tmp_path / "store"), url).manifest.number == 1
    assert push(Store.open(tmp_path / "store"), url).sent == 0
    assert Remote(url).manifest().generation == "gen-000001.json"
