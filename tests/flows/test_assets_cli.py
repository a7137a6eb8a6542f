import json

import pytest

from assets import registry
from assets.registry import AssetError, Entry, Ledger
from flows import assets_cli, import_cli
from storage.errors import StoreError


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


def test_a_registration_asks_for_its_terms_and_places_before_it_reads_the_scan(tmp_path, monkeypatch):
    monkeypatch.setenv("FACEPAIRS_ASSETS", str(tmp_path / "assets"))
    terms = {"licence": "CC-BY-4.0", "attribution": "Ann"}
    scan = tmp_path / "nobody reads it.obj"
    for more, told in (
        ({}, "'nobody reads it' is no name: pass --name"),
        ({"name": "anny"}, "'anny' is taken by what ships"),
        ({"name": "ann", "licence": " "}, "pass --licence and --attribution"),
        ({"name": "ann", "sheet": tmp_path}, "--sheet .* is a folder"),
        ({"name": "ann", "mesh": tmp_path}, "--mesh .* is a folder"),
    ):
        with pytest.raises((AssetError, StoreError), match=told):
            assets_cli.register.__wrapped__(scan, **{**terms, **more})
    with pytest.raises(StoreError, match=r"--sheet .*x\.gif ends in '\.gif'"):
        assets_cli.bake_texture.__wrapped__(tmp_path, **terms, sheet=tmp_path / "x.gif")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("verb", "wrong"),
    [
        ("headspace", {"most": 0}),
        ("facescape_tu", {"most": -1}),
        ("lyhm", {"textures": -3}),
        ("facescape", {"colours": -1}),
    ],
)
def test_an_import_refuses_numbers_that_make_no_sense_before_it_reads(verb, wrong, tmp_path):
    ((name, number),) = wrong.items()
    with pytest.raises(
        StoreError, match=f"--{name} takes {0 if name != 'most' else 1} or more, got {number}"
    ):
        getattr(import_cli, verb)(tmp_path / "nowhere", **wrong)
