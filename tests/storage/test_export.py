from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from storage.errors import CorruptStore, StoreError
from storage.export import MANIFEST, Form, export_pairs
from storage.export_forms import FORMS
from storage.files import read_sealed
from storage.generation import publish
from storage.reader import PairReader
from storage.store import Store
from tests.storage.toy_store import fill, flip_bit, toy_create

BOTH = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = toy_create(tmp_path / "store")
    fill(made)
    publish(made)
    return made


def files(out: Path) -> dict[str, bytes]:
    return {p.relative_to(out).as_posix(): p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()}


@BOTH
def test_every_committed_pair_comes_once_and_nothing_else_is_left(
    store: Store, tmp_path: Path, form: Form
) -> None:
    out = tmp_path / "out"
    told: list[str] = []
    made = export_pairs(
        store, out, form, rows=3, beside={"NOTICE": b"by nobody"}, tell=lambda n, of, name: told.append(name)
    )
    assert (made.pairs, sum(made.splits.values())) == (11, 11)
    assert told == [file["name"] for file in made.files]
    assert set(files(out)) == {*told, "NOTICE", MANIFEST}
    assert read_sealed(out / MANIFEST)["pairs"] == 11
    before = files(out)
    assert export_pairs(store, out, form, rows=3) == made, "finished: nothing is written again"
    assert files(out) == before
    export_pairs(store, tmp_path / "again", form, rows=3, beside={"NOTICE": b"by nobody"})
    assert files(tmp_path / "again") == before, "the same bytes wherever it is made"


@BOTH
def test_an_interrupted_export_goes_on(
    store: Store, tmp_path: Path, form: Form, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_pairs(store, tmp_path / "calm", form, rows=2)
    out, count = tmp_path / "out", 0

    def tell(done: int, total: int, name: str) -> None:
        nonlocal count
        count += 1
        if count == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_pairs(store, out, form, rows=2, tell=tell)
    there = [path for path in out.rglob("*") if path.suffix in (".tar", ".parquet")]
    assert len(there) == 3
    assert not (out / MANIFEST).exists()
    flip_bit(there[0], 200)  # what was damaged meanwhile is made again
    stamps = {path: path.stat().st_mtime_ns for path in there}
    export_pairs(store, out, form, rows=2)
    assert files(out) == files(tmp_path / "calm")
    assert [path.stat().st_mtime_ns == stamps[path] for path in there] == [False, True, True]


@BOTH
def test_damage_is_found_before_and_after(store: Store, tmp_path: Path, form: Form) -> None:
    made = export_pairs(store, tmp_path / "out", form, fields=("image",))
    flip_bit(tmp_path / "out" / made.files[0]["name"], 700)
    with pytest.raises(CorruptStore, match="is not what was exported"):
        export_pairs(store, tmp_path / "out", form, fields=("image",))
    flip_bit(store.root / store.committed(0).tar.name, 700)
    with pytest.raises(CorruptStore, match="shard 0, sample 00000000"):
        export_pairs(store, tmp_path / "bad", form)
    assert not [path for path in (tmp_path / "bad").rglob("*") if path.suffix in (".tar", ".parquet", ".tmp")]


def test_a_writer_that_lies_is_caught(store: Store, tmp_path: Path) -> None:
    class Forgetful(type(FORMS["webdataset"])):  # type: ignore[misc]
        def write(self, path, pairs, schema, fields):  # type: ignore[no-untyped-def]
            super().write(path, (pair for n, pair in enumerate(list(pairs)) if n != 1), schema, fields)

    with pytest.raises(CorruptStore, match="what was read back is not what was written"):
        export_pairs(store, tmp_path / "out", Forgetful())


def test_other_folders_and_settings_are_refused(store: Store, tmp_path: Path) -> None:
    form = FORMS["webdataset"]
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    with pytest.raises(StoreError, match="is not empty and holds no export"):
        export_pairs(store, tmp_path / "full", form)
    export_pairs(store, tmp_path / "out", form, rows=2)
    with pytest.raises(StoreError, match="another rows"):
        export_pairs(store, tmp_path / "out", form, rows=3)
    with pytest.raises(StoreError, match="no field 'nose'"):
        export_pairs(store, tmp_path / "new", form, fields=("nose",))
    with pytest.raises(StoreError, match="--rows takes 1"):
        export_pairs(store, tmp_path / "new", form, rows=0)


def test_a_file_in_the_way_is_told_and_stays(store: Store, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(StoreError, match=r"out is a file; give a folder"):
        export_pairs(store, tmp_path / "out", FORMS["webdataset"])
    assert (tmp_path / "out").read_text() == "mine"


def test_tars_are_read_by_any_tar_program(store: Store, tmp_path: Path) -> None:
    made = export_pairs(store, tmp_path / "out", FORMS["webdataset"], fields=("image", "meta"))
    keys: list[str] = []
    for file in made.files:
        with tarfile.open(tmp_path / "out" / file["name"]) as tar:
            names = tar.getnames()
            keys += [name[:8] for name in names[::2]]
            assert names[0].endswith(".image.png")
            assert json.load(tar.extractfile(names[1]))["key"] == names[1][:8]  # type: ignore[arg-type]
    assert sorted(keys) == sorted(PairReader(store).keys)


def test_parquet_columns_hold_what_the_store_holds(store: Store, tmp_path: Path) -> None:
    made = export_pairs(store, tmp_path / "out", FORMS["hf"])
    seen = 0
    for file in made.files:
        table = pq.read_table(tmp_path / "out" / file["name"])
        features = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
        assert set(features) == set(table.column_names)
        assert features["image"] == {"_type": "Image"}
        assert features["sdf_index"]["feature"]["feature"] == {"dtype": "uint8", "_type": "Value"}
        for row in table.to_pylist():
            stored = store.read(row["key"])
            assert row["sdf_index"] == stored["sdf_index"].tolist()
            assert row["sdf_value"] == stored["sdf_value"].tolist()
            assert row["image"]["path"] == f"{row['key']}.image.png"
            assert json.loads(row["meta"])["plan"]["texture"] == row["texture"]
            assert row["quality_seam"] == 0.25
            seen += 1
    assert seen == 11


def test_webdataset_reads_it(store: Store, tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    made = export_pairs(store, tmp_path / "out", FORMS["webdataset"], rows=4)
    paths = [str(tmp_path / "out" / file["name"]) for file in made.files]
    pairs = list(webdataset.WebDataset(paths, shardshuffle=False).decode("rgb8"))
    assert len(pairs) == 11
    first = pairs[0]
    assert (first["image.png"] == store.read(first["__key__"], ["image"])["image"]).all()
    shutil.rmtree(tmp_path / "out")
