from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage.commit import commit_path
from storage.files import seal, write_replace
from storage.generation import publish
from storage.layout import PERMISSIONS
from storage.retry import retry_shard
from storage.store import Sample, Store
from storage.verify import verify_store
from tests.storage.sweeps import damage
from tests.storage.toy_store import (
    CONFIG,
    fill,
    flip_bit,
    toy_create,
    toy_fields,
    toy_meta,
    toy_outcomes,
)  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Shared by all tests here: whoever damages it, repairs it."""
    made = toy_create(tmp_path_factory.mktemp("verify") / "store")
    fill(made)
    publish(made)
    return made


@pytest.fixture(scope="module")
def retried(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """With everything that a store can hold: a replaced commit, other settings, permissions, two generations."""
    made = Store.open(shutil.copytree(store.root, tmp_path_factory.mktemp("retried") / "store"))
    sample = Sample("00000002", toy_fields("00000002", 5), toy_meta("00000002", 5))
    retry_shard(made, 0, [sample], {**CONFIG, "code": "2"})
    publish(made, allow_mixed=True)
    write_replace(made.root / PERMISSIONS, seal({"permissions": [{"action": "publish"}]}))
    assert verify_store(made, deep=True).ok
    return made


@pytest.fixture
def own(store: Store, tmp_path: Path) -> Store:
    return Store.open(shutil.copytree(store.root, tmp_path / "copy"))


def _files(store: Store) -> list[Path]:
    return sorted(p for p in store.root.rglob("*") if p.is_file())


def test_a_whole_store_is_clean_and_counted(store: Store) -> None:
    for deep in (False, True):
        report = verify_store(store.root, deep)
        assert report.ok
        assert report.counts == store.counts()
        assert (report.shards, report.deep) == (4, deep)
    commits = store.commits().values()
    assert report.bytes == sum(c.tar.bytes + c.index.bytes for c in commits)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), cut=st.booleans())
def test_damage_to_what_a_retry_left_is_found_and_named(
    retried: Store, data: st.DataObject, cut: bool
) -> None:
    path = data.draw(st.sampled_from(_files(retried)))
    whole = path.read_bytes()
    position = data.draw(st.integers(0, len(whole) - 1))
    os.truncate(path, position) if cut else flip_bit(path, position)
    try:
        report = verify_store(retried.root, deep=True)
    finally:
        path.write_bytes(whole)
    assert any(path.name in str(p) for p in report.problems), [str(p) for p in report.problems]


def test_settings_under_a_wrong_name_are_found(retried: Store, tmp_path: Path) -> None:
    copied = Store.open(shutil.copytree(retried.root, tmp_path / "copy"))
    (path,) = (copied.root / "settings").iterdir()
    path.write_bytes(seal({**CONFIG, "code": "3"}))
    (problem,) = verify_store(copied).problems
    assert (problem.file, "another fingerprint" in problem.message) == (f"settings/{path.name}", True)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_flipped_bit_in_any_file_is_found_and_named(store: Store, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(_files(store)))
    position = data.draw(st.integers(0, path.stat().st_size - 1))
    bit = data.draw(st.integers(0, 7))
    flip_bit(path, position, bit)
    try:
        report = verify_store(store.root, deep=True)
    finally:
        flip_bit(path, position, bit)
    name = path.relative_to(store.root).as_posix()
    assert not report.ok
    assert any(path.name in str(p) for p in report.problems), (name, [str(p) for p in report.problems])
    if name.startswith(("shards/", "commits/")):
        assert all(p.shard == int(path.name[:6]) for p in report.problems if path.name in str(p))
    if path.suffix == ".tar":
        for row in store.index_rows(int(path.name[:6])):
            for field, member in row.members.items():
                if member.offset <= position < member.offset + member.length:
                    assert [(p.key, p.field) for p in report.problems] == [(row.key, field)]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_cut_file_is_found_even_without_reading_the_tars(store: Store, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(_files(store)))
    whole = path.read_bytes()
    os.truncate(path, data.draw(st.integers(0, len(whole) - 1)))
    try:
        assert not verify_store(store.root).ok
    finally:
        path.write_bytes(whole)


@pytest.mark.parametrize("cut", [False, True], ids=["flipped", "cut"])
def test_the_counted_sweep_finds_all_damage(own: Store, cut: bool) -> None:
    assert [case for case in damage(own, 40, cut) if case.error] == []
    assert verify_store(own, deep=True).ok, "what was damaged was put back"


def test_a_missing_file_is_found(own: Store) -> None:
    for path in _files(own):
        whole = path.read_bytes()
        path.unlink()
        name = path.relative_to(own.root).as_posix()
        report = verify_store(own.root)
        if name.startswith("commits/"):
            assert [p.file for p in report.problems] == ["manifests/gen-000001.json"]
            assert report.counts.pending == len(own.plan.shards[int(path.stem)])
        elif name == "LATEST":
            assert report.ok  # a store that was never published is whole
        else:
            assert any(path.name in str(p) for p in report.problems), name
        path.write_bytes(whole)
    assert verify_store(own, deep=True).ok


def test_pending_is_not_a_problem(tmp_path: Path) -> None:
    store = toy_create(tmp_path / "store")
    fill(store, [2])
    report = verify_store(store, deep=True)
    assert report.ok
    assert (report.counts.pending, report.shards) == (11, 1)


def test_a_sample_in_the_place_of_another_is_found(tmp_path: Path, own: Store) -> None:
    """Right bytes under a right seal, but of another plan: only the samples' own meta can tell."""
    forged = toy_create(tmp_path / "forged")
    meta_seed = forged.plan.row("00000000").seed
    object.__setattr__(forged.plan.rows[0], "seed", meta_seed + 1)
    fill(forged, [0])
    commit, old = forged.committed(0), own.committed(0)
    for name, source in ((commit.tar.name, forged), (commit.index.name, forged)):
        shutil.copy(source.root / name, own.root / name)
    shutil.copy(commit_path(forged.root, 0), commit_path(own.root, 0))
    assert old.content != commit.content
    problems = verify_store(Store.open(own.root), deep=True).problems
    assert any(p.key == "00000000" and "another plan row" in p.message for p in problems)
    assert any("pins other bytes" in p.message for p in problems)


def test_a_commit_that_the_plan_does_not_know_is_found(own: Store) -> None:
    shutil.copy(commit_path(own.root, 1), commit_path(own.root, 77))
    assert [p.file for p in verify_store(own).problems] == ["commits/000077.json"]
    shutil.move(commit_path(own.root, 77), commit_path(own.root, 2))
    problems = verify_store(own).problems
    assert (problems[0].file, problems[0].shard) == ("commits/000002.json", 2)


def test_problems_read_as_sentences(own: Store) -> None:
    commit = own.committed(0)
    member = own.index_rows(0)[3].members["image"]
    flip_bit(own.root / commit.tar.name, member.offset)
    (problem,) = verify_store(own, deep=True).problems
    assert str(problem).startswith(
        f"{commit.tar.name} (shard 0, 00000003, image): shard 0, sample 00000003, field"
    )
    assert "facepairs gc --forget" in str(problem)


def test_a_folder_without_a_store_is_one_problem(tmp_path: Path) -> None:
    report = verify_store(tmp_path)
    assert (len(report.problems), report.counts) == (1, None)


def test_a_forgotten_and_remade_shard_satisfies_the_old_generation(own: Store) -> None:
    commit_path(own.root, 1).unlink()
    assert not verify_store(own).ok
    own.write_shard(1, toy_outcomes(own, 1))
    assert verify_store(own, deep=True).ok
