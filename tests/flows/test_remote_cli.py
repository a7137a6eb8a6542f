from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.cli import main
from storage.store import Store
from storage.verify import verify_store
from tests.storage.toy_bucket import bucket
from tests.storage.toy_store import fill, flip_bit, synthesise, toy_create


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with bucket() as url:
        yield url


def _type(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    assert ended.value.code == code
    said = capsys.readouterr()
    return said.out if "--json" in words else said.out + said.err


def test_push_verify_pull(
    s3: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACEPAIRS_CACHE", str(tmp_path / "cache"))
    synthesise(tmp_path / "store")
    url = f"{s3}/demo"
    assert "upload 1, gen-000001.json" in _type(capsys, "push", str(tmp_path / "store"), url)
    told = json.loads(_type(capsys, "push", str(tmp_path / "store"), url, "--json"))
    assert (told["number"], told["sent"]) == (1, 0)
    assert "whole" in _type(capsys, "verify", url, "--deep")
    assert json.loads(_type(capsys, "pull", url, str(tmp_path / "copy"), "--json"))["pending"] == 0
    assert verify_store(tmp_path / "copy", deep=True).ok


def test_an_unfinished_store_says_how_to_go_on(
    s3: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(toy_create(tmp_path / "store"), [0])
    url = f"{s3}/half"
    assert "nothing published yet" in _type(capsys, "push", str(tmp_path / "store"), url)
    said = " ".join(_type(capsys, "pull", url, str(tmp_path / "copy")).split())
    assert "10 pending" in said
    assert "type 'facepairs run" in said
    assert Store.open(tmp_path / "copy").pending() == [1, 2, 3]


def test_mistakes_are_one_sentence_and_exit_code_2(
    s3: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    synthesise(tmp_path / "store")
    said = _type(capsys, "push", str(tmp_path / "store"), "s3://nobodys-bucket/x", code=2)
    assert said.startswith(
        "facepairs: s3://nobodys-bucket/x: The specified bucket does not exist; check the name"
    )
    assert "there is no store" in _type(capsys, "verify", f"{s3}/nothing", code=2)
    said = _type(capsys, "synthesize", "--out", f"{s3}/run", code=2)
    assert "--out: a run works in a folder: give one, and upload it with `facepairs push FOLDER URL`" in said
    tar = Store.open(tmp_path / "store").committed(1).tar
    flip_bit(tmp_path / "store" / tar.name, 700)
    assert "nothing is published" in _type(capsys, "push", str(tmp_path / "store"), f"{s3}/flipped", code=2)
