import json

import pytest

from assets import registry
from assets.registry import Entry, Ledger
from flows import assets_cli


@pytest.fixture
def book(tmp_path, monkeypatch):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/a.png").write_bytes(b"abc")
    entry = Entry("a", "photo", "photos/a.png", "", 0, "CC0-1.0", "pack==1:a.png", "me")
    registry.record(entry, root=tmp_path)
    book = Ledger.load(tmp_path, tmp_path)
    monkeypatch.setattr(assets_cli, "ledger", lambda: book)
    return book


def run(*words):
    try:
        assets_cli.app(list(words))
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_verify_passes_then_names_a_tampered_file(book, tmp_path, capsys):
    assert run("verify") == 0
    assert "1 assets verified" in capsys.readouterr().out
    (tmp_path / "photos/a.png").write_bytes(b"abd")
    assert run("verify") == 1
    error = capsys.readouterr().err
    assert "'a'" in error
    assert "git checkout -- assets/data/photos/a.png" in error


def test_list_json_and_an_unknown_kind(book, capsys):
    assert run("list", "photo", "--json") == 0
    assert json.loads(capsys.readouterr().out)[0]["name"] == "a"
    assert run("list", "pots") == 2
    assert "no asset kind 'pots'" in capsys.readouterr().err


def test_licences_name_licence_and_source(book, capsys):
    assert run("licences") == 0
    out = capsys.readouterr().out
    assert "CC0-1.0" in out
    assert "pack==1" in out
    assert run("licences", "--json") == 0
    assert json.loads(capsys.readouterr().out)[0]["names"] == ["a"]
