from __future__ import annotations

from pathlib import Path

import pytest
from toy_audit import HEAD, READER, ToyAuditRecipe, make_store

from flows.audit_units import EXAMPLES, Examiner, draw_units
from storage.store import Store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return make_store(tmp_path_factory.mktemp("units") / "store")


def examiner(store: Store, folder: Path) -> Examiner:
    folder.mkdir()
    return Examiner(store, ToyAuditRecipe(), lambda name: HEAD, READER, folder)


def test_units_are_whole_sub_batches_their_photographs_and_a_few_rejects(store: Store) -> None:
    pairs, photos, rejects = draw_units(store, 1000)
    assert {row.key for unit in pairs for row in unit.rows} == {row.key for row in store.plan.rows}
    assert all(len(unit.rows) == 4 for unit in pairs)
    assert len(photos) == len({unit.name for unit in photos}) == 6
    assert len(rejects) == EXAMPLES
    few = draw_units(store, 5)[0]
    assert few == pairs[: len(few)]
    assert draw_units(store, 1000) == (pairs, photos, rejects)


def test_a_unit_is_done_once_and_read_afterwards(store: Store, tmp_path: Path) -> None:
    work = examiner(store, tmp_path / "units")
    unit = draw_units(store, 4)[0][0]
    assert not work.is_done(unit)
    notes = work.do(unit)
    assert work.is_done(unit)
    assert [n["key"] for n in notes] == [
        r.key for r in unit.rows if store.why(r.key)["status"] == "committed"
    ]
    again = work.do(unit)
    assert [n["pair_classes"] for n in again] == [n["pair_classes"] for n in notes]
    assert not list((tmp_path / "units").glob(".*")), "no temporary file is left"


def test_a_reject_is_shown_with_its_reason(store: Store, tmp_path: Path) -> None:
    (note,) = examiner(store, tmp_path / "units").do(draw_units(store, 4)[2][0])
    assert (note["reason"], note["stage"], note["detail"]) == ("gap", "finish", "every sixth")
    assert note["picture"][:4] == b"RIFF"
