from __future__ import annotations

import json
from pathlib import Path

import pytest
import toy_recipe

from assets.registry import ledger
from flows import work
from flows.cli import main
from flows.config import SynthesizeConfig
from flows.licences import (
    CREDITS,
    LicenceError,
    clear,
    inherited,
    known_licence,
    mark_public,
    permissions,
    photo_ledger,
    store_ledger,
    store_verdict,
)
from storage.generation import publish
from storage.store import Store
from tasks.source_table import SourceRow, SourceTable


def make(folder: Path, ledger_of_photos: object, head: str = "toy") -> Store:
    """A store of toy pairs whose photographs bring a ledger of their own; made here, without a server."""
    photos = toy_recipe.make_photos(folder / "photos", 6)
    if ledger_of_photos is not None:
        (photos / "photos.json").write_text(json.dumps(ledger_of_photos))
    config = SynthesizeConfig(
        out=folder / "store", photos=photos, pairs=20, shard_size=10, batch=5, size=32, cache=folder / "cache",
        recipe="toy_recipe:ToyRecipe", heads=(head,),
    ).model_dump(mode="json")  # fmt: skip
    from flows.synthesize import photographs

    told = [photo.to_json() for photo in photographs(photos).photos]
    work.prepare(config, work.annotate(config, told, lambda _: None), lambda _: None)
    for shard in (0, 1):
        work.make(config, shard, lambda _: None)
    store = Store.open(folder / "store")
    publish(store)
    return store


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    out = capsys.readouterr()
    return int(ended.value.code or 0), out.out, out.err


@pytest.fixture(scope="module")
def unknown(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return make(tmp_path_factory.mktemp("unknown"), None)


@pytest.fixture(scope="module")
def free(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return make(
        tmp_path_factory.mktemp("free"), {"licence": "CC-BY-4.0", "attribution": "Ann", "entries": []}
    )


def test_a_store_says_what_forbids_its_publication(
    unknown: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    found = store_verdict(unknown)
    assert not found.publish
    assert "6 photographs (not stated)" in found.line
    code, out, _ = call(capsys, "licences", str(unknown.root), "--json")
    told = json.loads(out)
    assert (code, told["publish"], told["line"]) == (0, False, found.line)
    assert {row["kind"] for row in told["ledger"]} == {"head", "photo"}
    code, out, _ = call(capsys, "status", str(unknown.root), "--json")
    assert json.loads(out)["licences"]["line"] == found.line


def test_publication_is_refused_in_a_sentence_and_nothing_remains(
    unknown: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(path.name for path in unknown.root.iterdir())
    code, _, err = call(capsys, "publish", str(unknown.root))
    assert code == 2
    assert "cannot be passed on" in err
    assert "--despite-licences" in err
    with pytest.raises(LicenceError, match="not stated"):
        clear(unknown, "export", target="webdataset:/x")
    assert sorted(path.name for path in unknown.root.iterdir()) == before


def test_a_free_store_is_published_with_its_credits(free: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert clear(free, "export").publish
    assert permissions(free) == []  # what is allowed needs no record
    code, out, _ = call(capsys, "publish", str(free.root), "--json")
    assert (code, json.loads(out)["publish"]) == (0, True)
    page = (free.root / CREDITS).read_text()
    assert "- Ann (CC-BY-4.0)" in page
    assert "6 photographs" in page
    assert [one["action"] for one in permissions(free)] == ["publish"]
    assert Store.open(free.root).counts().pending == 0


def test_the_flag_is_kept_in_the_store(tmp_path: Path) -> None:
    store = make(tmp_path, None)
    clear(store, "export", target="hf:/x", despite="the owner, by letter of 1 May")
    mark_public(store, "the owner again")
    kept = permissions(store)
    assert [(one["action"], one["target"], one["despite"]) for one in kept] == [
        ("export", "hf:/x", "the owner, by letter of 1 May"), ("publish", str(store.root), "the owner again"),
    ]  # fmt: skip
    assert kept[0]["forbidden_by"] == ["6 photographs (not stated)"]
    assert "the owner, by letter of 1 May" in (store.root / CREDITS).read_text()
    assert inherited(store)["permissions"] == kept


def test_no_flag_helps_facescape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = {"name": "bilinear", "kind": "head", "licence": "FaceScape", "attribution": "NJU"}
    monkeypatch.setattr(toy_recipe.ToyRecipe, "licences", lambda self: [entry])
    store = make(tmp_path, {"licence": "CC0-1.0", "entries": []})
    assert store_verdict(store).never
    for action in ("publish", "export"):
        with pytest.raises(LicenceError, match="cannot be overruled"):
            clear(store, action, despite="everybody")  # type: ignore[arg-type]
    assert permissions(store) == []


def test_photographs_are_folded_by_terms_and_each_counts_once() -> None:
    rows = [
        SourceRow(
            f"{i}-00",
            f"{i}.jpg",
            f"sha{i // 2}",
            licence="MIT" if i < 4 else "",
            attribution=f"a{i}",
            collection="set",
        )
        for i in range(6)
    ]
    free, asked = photo_ledger(rows)[::-1]
    assert (free["licence"], free["count"], free["name"]) == ("MIT", 2, "set")
    assert (asked["licence"], asked["count"], asked["sha256"]) == ("not stated", 1, "sha2")
    many = photo_ledger(
        SourceRow(f"{i}", f"{i}", f"{i}", attribution=f"a{i}", collection="s") for i in range(99)
    )
    assert many[0]["attribution"] == "99 authors, see sources.parquet"


def test_what_ships_is_known_by_its_hash() -> None:
    entry = ledger().entry("astronaut")
    row = known_licence(SourceRow("x-00", "renamed.png", entry.sha256))
    assert (row.licence, row.origin) == (entry.licence, entry.source)
    assert known_licence(SourceRow("x-00", "other.png", "0" * 64)).licence == ""


def test_stores_without_a_ledger_of_photographs_are_judged_by_their_sources(unknown: Store) -> None:
    rows = [row for row in store_ledger(unknown) if row["kind"] != "photo"]
    body = {**unknown.description, "snapshot": {k: v for k, v in unknown.description["snapshot"].items()}}
    old = Store(unknown.root, unknown.plan, unknown.schema, unknown.config, unknown.fingerprint, body)
    old.description["snapshot"].pop("licences.json")
    found = store_ledger(old)
    assert [row["kind"] for row in found] == ["photo"]
    assert found[0]["count"] == 6
    assert rows


def test_tables_of_older_versions_are_read(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    SourceTable((SourceRow("a-00", "a.jpg", "0" * 64, yaw=3.0),)).write(tmp_path / "t.parquet")
    table = pq.read_table(tmp_path / "t.parquet")
    pq.write_table(
        table.drop_columns(["identity", "licence", "attribution", "origin", "collection"]),
        tmp_path / "t.parquet",
    )
    (row,) = SourceTable.read(tmp_path / "t.parquet").rows
    assert (row.yaw, row.licence, row.identity) == (3.0, "", "")
