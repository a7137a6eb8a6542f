from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from flows.croissant import describe, problems, write_croissant
from storage.gc import forget_shard
from storage.generation import publish
from storage.store import Store
from tests.storage.toy_store import fill, flip_bit, toy_create


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = toy_create(tmp_path / "store")
    fill(made)
    publish(made)
    return made


def test_every_file_is_named_with_its_hash_and_every_column_is_there(store: Store) -> None:
    body = json.loads(write_croissant(store).read_text())
    assert problems(body, store.root) == []
    assert body["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    files = [node for node in body["distribution"] if node["@type"] == "cr:FileObject"]
    assert len(files) == 1 + 1 + 1 + 2 * 4, "plan, snapshot, generation, four shards with their indices"
    assert {record["@id"] for record in body["recordSet"]} == {"index", "plan-rows", "pairs"}
    names = {field["name"] for field in body["recordSet"][0]["field"]}
    assert names == {"key", "status", "reason", "stage", "detail", "quality.gap", "quality.seam"}
    assert describe(store) == body, "the same however often it is written"


def test_what_is_wrong_is_named(store: Store) -> None:
    body = describe(store)
    broken = copy.deepcopy(body)
    del broken["license"]
    broken["recordSet"][0]["field"][0]["source"]["fileSet"]["@id"] = "nowhere"
    del broken["distribution"][0]["sha256"]
    broken["distribution"][1]["@id"] = broken["distribution"][0]["@id"]
    found = problems(broken)
    assert "the dataset has no license" in found
    assert "index/key refers to 'nowhere', which is not there" in found
    assert "plan has no sha256" in found
    assert any("no @id of its own" in text for text in found)
    broken = copy.deepcopy(body)
    broken["recordSet"][0]["field"][1]["source"]["extract"]["column"] = "mood"
    assert any("has no column 'mood'" in text for text in problems(broken, store.root))
    flip_bit(store.root / store.committed(2).tar.name, 900)
    assert problems(body, store.root) == [
        f"shard-000002: {store.committed(2).tar.name} is not the file that was described"
    ]


def test_dead_attempts_and_unpublished_shards_are_not_described(store: Store, tmp_path: Path) -> None:
    (store.root / "shards" / "000" / "000009-dead.idx.parquet").write_bytes(b"left")
    text = json.dumps(describe(store))
    assert "dead" not in text
    fresh = toy_create(tmp_path / "fresh")
    body = describe(fresh)
    assert problems(body, fresh.root) == []
    assert [record["@id"] for record in body["recordSet"]] == ["plan-rows"]
    forget_shard(store, 0)
    with pytest.raises(Exception, match="is not the one that gen-000001"):
        describe(store)


def test_the_reference_implementation_reads_it(store: Store) -> None:
    mlcroissant = pytest.importorskip("mlcroissant")
    dataset = mlcroissant.Dataset(str(write_croissant(store)))
    assert len(list(dataset.records("index"))) == 14
    assert len(list(dataset.records("pairs"))) == 11
