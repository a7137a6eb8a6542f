"""Stores of others: sealed and hashed as they should be, and hostile all the same."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage import gc
from storage.errors import StoreError
from storage.files import canonical_json, read_sealed, seal, sha256_bytes
from storage.generation import latest, publish
from storage.reader import PairReader
from storage.store import Store
from storage.verify import verify_store
from tests.hostile.mutations import ended, mutated
from tests.hostile.sealed import Edit, edit
from tests.storage.toy_store import synthesise


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sound") / "store"
    synthesise(root)
    return root


@pytest.fixture
def store(sound: Path, tmp_path: Path) -> Path:
    """A copy to spoil, with something beside it that is not the store's."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "precious.txt").write_text("mine")
    shutil.copytree(sound, tmp_path / "store")
    return tmp_path / "store"


def use(root: Path) -> str:
    """Everything that reads a store."""
    opened = Store.open(root)
    opened.counts()
    opened.snapshot("head.npz")
    for key in ("00000000", "00000002"):
        opened.why(key)
    opened.read("00000000")
    found = PairReader(opened, fields=("image", "sdf_value", "meta"))
    return f"{len(found)} pairs, {len(found[0])} fields"


def told(root: Path) -> str:
    """Verification and collection end in a list of problems, or in a sentence."""
    report = verify_store(root, deep=True)
    return "; ".join(map(str, report.problems)) or "sound"


def test_the_sound_store_is_used_whole(store, confined):
    assert confined(lambda: use(store)).text == "11 pairs, 4 fields"
    assert confined(lambda: told(store)).text == "sound"


DESCRIPTIONS: dict[str, Edit] = {
    "no-plan": lambda b: b.pop("plan"),
    "plan-is-a-number": lambda b: b.update(plan=5),
    "plan-outside": lambda b: b["plan"]["file"].update(name="../outside/precious.txt"),
    "plan-absolute": lambda b: b["plan"]["file"].update(name="/etc/passwd"),
    "plan-of-no-name": lambda b: b["plan"]["file"].update(name=""),
    "plan-with-a-nul": lambda b: b["plan"]["file"].update(name="plan\0/plan.parquet"),
    "plan-size-negative": lambda b: b["plan"]["file"].update(bytes=-1),
    "plan-size-is-text": lambda b: b["plan"]["file"].update(bytes="many"),
    "plan-more-to-say": lambda b: b["plan"]["file"].update(more=1),
    "snapshot-is-a-list": lambda b: b.update(snapshot=["head.npz"]),
    "snapshot-outside": lambda b: b["snapshot"]["head.npz"].update(
        name="snapshot/../../outside/precious.txt"
    ),
    "snapshot-named-outside": lambda b: b["snapshot"].update({"../x": b["snapshot"]["head.npz"]}),
    "no-schema": lambda b: b.pop("schema"),
    "schema-is-text": lambda b: b.update(schema="fields"),
    "field-named-outside": lambda b: b["schema"]["fields"][0].update(extension="/../../../outside/x.png"),
    "field-unknown-encoding": lambda b: b["schema"]["fields"][0].update(encoding="pickle"),
    "field-of-objects": lambda b: b["schema"]["fields"][0].update(dtype="object"),
    "field-twice": lambda b: b["schema"]["fields"].append(b["schema"]["fields"][0]),
    "field-named-meta": lambda b: b["schema"]["fields"][0].update(name="meta"),
    "size-negative": lambda b: b["schema"]["sizes"].update(R=-16),
    "size-other": lambda b: b["schema"]["sizes"].update(R=17),
    "quality-with-a-dot-dot": lambda b: b["schema"].update(quality=["../gap", "seam"]),
    "config-is-a-list": lambda b: b.update(config=[]),
}


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_a_hostile_description_is_refused(name, store, confined):
    edit(store / "store.json", DESCRIPTIONS[name])
    confined(lambda: use(store)).refused()
    outcome = confined(lambda: told(store))
    outcome.quiet()
    assert outcome.kind == "", outcome.trace
    assert outcome.text != "sound" or name == "size-other"


COMMITS: dict[str, Edit] = {
    "tar-outside": lambda b: b["tar"].update(name="../outside/precious.txt"),
    "index-absolute": lambda b: b["index"].update(name="/etc/passwd"),
    "index-is-a-folder": lambda b: b["index"].update(name="shards"),
    "index-huge": lambda b: b["index"].update(bytes=1 << 61),
    "counts-negative": lambda b: b.update(committed=-3, rejected=7),
    "counts-are-text": lambda b: b.update(committed="3"),
    "reasons-are-a-list": lambda b: b.update(reasons=["gap"]),
    "attempt-outside": lambda b: b.update(attempt="../../outside/x"),
    "retried-is-a-list": lambda b: b.update(retried=[1]),
    "another-shard": lambda b: b.update(shard=3),
    "fingerprint-is-a-number": lambda b: b.update(fingerprint=7),
}


@pytest.mark.parametrize("name", COMMITS)
def test_a_hostile_commit_is_refused(name, store, confined):
    edit(store / "commits" / "000000.json", COMMITS[name])
    confined(lambda: use(store)).refused()
    assert confined(lambda: told(store)).text != "sound"
    assert (store.parent / "outside" / "precious.txt").read_text() == "mine"


def rewrite_index(root: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    """Another index for shard 0, with the commit and the generation to it."""
    path = root / "commits" / "000000.json"
    body = read_sealed(path)
    name = root / body["index"]["name"]
    pq.write_table(change(pq.read_table(name)), name)
    data = name.read_bytes()
    edit(path, lambda b: b["index"].update(bytes=len(data), sha256=sha256_bytes(data)))
    (root / "LATEST").unlink()
    publish(Store.open(root))


def column(name: str, value: object) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        at = table.schema.get_field_index(name)
        return table.set_column(
            at, table.schema.field(at), pa.array([value] * len(table), table.schema.field(at).type)
        )

    return change


INDICES = {
    "offset-negative": column("image.offset", -5),
    "length-negative": column("image.length", -5),
    "length-of-terabytes": column("image.length", 1 << 42),
    "offset-beyond": column("image.offset", 1 << 50),
    "nothing-stored": column("image.offset", None),
    "other-types": lambda t: t.set_column(0, "key", pa.array(range(len(t)))),
}


@pytest.mark.parametrize("name", INDICES)
def test_a_hostile_index_is_refused(name, store, confined):
    outcome = confined(lambda: (rewrite_index(store, INDICES[name]), use(store)), may_write=store)
    outcome.refused()
    outcome = confined(lambda: told(store))
    outcome.quiet()
    assert outcome.kind == "", outcome.trace
    assert outcome.text != "sound"


def test_a_plan_of_a_hundred_million_equal_rows_is_refused(store, confined):
    """Run-length encoding makes rows of almost nothing."""
    row = pq.read_table(store / "plan" / "plan.parquet").slice(0, 1)
    count = 1_000_000
    many = pa.table({n: pa.repeat(row[n][0], count) for n in row.column_names}, schema=row.schema)
    pq.write_table(many, store / "plan" / "plan.parquet", compression="zstd", row_group_size=count)
    data = (store / "plan" / "plan.parquet").read_bytes()
    del many
    edit(store / "store.json", lambda b: b["plan"]["file"].update(bytes=len(data), sha256=sha256_bytes(data)))
    confined(lambda: use(store)).refused("rows", "promised")


@pytest.mark.parametrize("name", ["store.json", "LATEST", "commits/000000.json", "manifests/gen-000001.json"])
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[" * 100_000,
        b'{"body": {}, "body": {}, "seal": ""}',
        b'{"body": ' + b"9" * 5000,
    ],
    ids=["empty", "no-utf8", "null", "deep", "twice", "digits"],
)
def test_what_is_no_sealed_file_is_refused(name, data, store, confined):
    (store / name).write_bytes(data)
    confined(lambda: use(store)).refused()


def test_pipes_and_endless_files_are_not_waited_for(store, confined):
    for name in ("LATEST", "commits/000000.json", "store.json"):
        (store / name).unlink()
        os.mkfifo(store / name)
        confined(lambda: use(store)).refused("plain file")
        assert "plain file" in confined(lambda: told(store)).text
    (store / "store.json").unlink()
    with (store / "store.json").open("wb") as file:
        file.truncate(1 << 40)
    confined(lambda: use(store)).refused("store.json", "at most")


MANIFESTS: dict[str, Edit] = {
    "points-outside": lambda b: b.update(generation="../outside/precious.txt"),
    "points-at-itself": lambda b: b.update(generation="../LATEST"),
    "points-at-a-number": lambda b: b.update(generation=1),
    "points-nowhere": lambda b: b.update(generation="gen-999999.json"),
    "says-nothing": lambda b: b.clear(),
}


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_hostile_pointer_is_refused(name, store, confined):
    edit(store / "LATEST", MANIFESTS[name])
    confined(lambda: str(latest(store))).refused("LATEST")


GENERATIONS: dict[str, Edit] = {
    "unknown-shard": lambda b: b["commits"].update({"000099": next(iter(b["commits"].values()))}),
    "shard-is-a-word": lambda b: b["commits"].update({"../x": "y"}),
    "totals-are-text": lambda b: b.update(totals={"committed": "many"}),
    "commits-are-a-list": lambda b: b.update(commits=[1]),
    "more-to-say": lambda b: b.update(evil=True),
}


@pytest.mark.parametrize("name", GENERATIONS)
def test_a_hostile_generation_is_refused(name, store, confined):
    path = store / "manifests" / "gen-000001.json"
    body = read_sealed(path)
    GENERATIONS[name](body)
    body["hash"] = sha256_bytes(
        canonical_json({k: v for k, v in body.items() if k not in ("number", "hash")})
    )
    path.write_bytes(seal(body))
    edit(store / "LATEST", lambda b: b.update(hash=body["hash"], sha256=sha256_bytes(path.read_bytes())))
    confined(lambda: PairReader(Store.open(store))).refused()


@pytest.mark.parametrize(
    "name", ["shards", "shards/000", "tmp", "commits", "manifests", "snapshot", "alarms", "plan"]
)
def test_a_store_whose_folders_are_links_is_refused_before_anything_is_collected(name, store, confined):
    moved = store.parent / "outside" / "moved"
    (store / name).rename(moved)
    (store / name).symlink_to(moved)
    (moved / "000000-dead.tar").write_bytes(b"no commit names it, and it is not the store's")
    confined(lambda: gc.collect(Store.open(store), dry_run=False), may_write=store).refused("is a link")
    assert (moved / "000000-dead.tar").exists()
    assert (store.parent / "outside" / "precious.txt").read_text() == "mine"


def test_odd_names_in_a_store_are_told_and_not_followed(store, confined):
    for folder, name in (("tmp", "x-y"), ("tmp", "²²²²²²-a"), ("commits", "²"), ("alarms", "a-b")):
        path = store / folder / name
        path.mkdir() if folder == "tmp" else path.with_suffix(".json").write_bytes(seal({}))
    (store / "tmp" / "000000-link").symlink_to(store.parent / "outside")
    outcome = confined(lambda: told(store))
    outcome.quiet()
    assert outcome.kind == "", outcome.trace
    assert "²" in outcome.text
    confined(lambda: gc.collect(Store.open(store), dry_run=False), may_write=store).refused("a-b.json")
    assert confined(lambda: gc.attempts_at_work(Store.open(store)), may_write=store).text == "[]"
    assert (store.parent / "outside" / "precious.txt").exists()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_mutated_stores_are_used_or_refused(data, sound, tmp_path_factory):
    root = tmp_path_factory.mktemp("store") / "store"
    shutil.copytree(sound, root)
    files = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    name = data.draw(st.sampled_from(files))
    (root / name).write_bytes(data.draw(mutated((root / name).read_bytes())))
    found, sentence = ended(lambda: use(root), StoreError)
    assert found or sentence.endswith(".")
    assert told(root)
