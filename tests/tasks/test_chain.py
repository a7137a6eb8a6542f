from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.registry import AssetError
from storage.plan import PlanRow
from storage.reject import Reason, Reject
from tasks.chain import Chain, ErrorStreakError, Made, Refused
from tasks.contract import Batch, ChainError, Field, Gives

X, Y, Z = (Field(name, "float32", ("R",), "toy") for name in "xyz")


@dataclass(frozen=True)
class Step:
    """y = x + noise; what else it does is up to ``do``."""

    do: Callable[[Batch], None] = lambda batch: None
    refuse: Callable[[PlanRow], bool] = lambda row: False
    seen: list[tuple[int, ...]] = field(default_factory=list, compare=False)

    name: ClassVar[str] = "step"
    version: ClassVar[int] = 3
    needs: ClassVar = (X,)
    gives: ClassVar = (Y,)

    def __call__(self, batch: Batch) -> Gives:
        self.seen.append(tuple(row.index for row in batch.rows))
        self.do(batch)
        noise = np.stack([batch.rng(i, self).standard_normal(4) for i in range(len(batch))])
        rejects = {i: Reject(Reason.GAP, "asked for") for i, row in enumerate(batch.rows) if self.refuse(row)}
        return Gives({"y": (batch["x"] + noise).astype(np.float32)}, rejects)


@dataclass(frozen=True)
class Last:
    """z = 2 y; notes the fields that reach it."""

    seen: list[set[str]] = field(default_factory=list, compare=False)

    name: ClassVar[str] = "last"
    version: ClassVar[int] = 1
    needs: ClassVar = (Y,)
    gives: ClassVar = (Z,)

    def __call__(self, batch: Batch) -> Gives:
        self.seen.append(set(batch.fields))
        return Gives({"z": 2 * batch["y"]})


def rows(count: int) -> tuple[PlanRow, ...]:
    return tuple(PlanRow(f"{i:08d}", i, 0, 7, f"s{i}", "toy", "none", "train") for i in range(count))


def load(source: str) -> dict[str, np.ndarray]:
    return {"x": np.full(4, float(source[1:]), np.float32)}


def chain(step: Any, last: Any = None, keep: tuple[str, ...] = ("z",), **changes: Any) -> Chain:
    return Chain((step, last or Last()), (X,), keep, **({"batch": 4} | changes))


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 21), st.sets(st.integers(0, 20)), st.sets(st.integers(0, 20), max_size=6))
def test_every_row_ends_once_in_order_and_neighbours_do_not_matter(
    count: int, refused: set[int], broken: set[int]
) -> None:
    def fail(batch: Batch) -> None:
        if broken & {row.index for row in batch.rows}:
            msg = "a bug"
            raise ValueError(msg)

    step = Step(fail, lambda row: row.index in refused)
    out = list(chain(step, streak=99).run(rows(count), load))
    assert [o.row.index for o in out] == list(range(count))
    alone = list(chain(Step()).run(rows(count), load))
    for o, clean in zip(out, alone, strict=True):
        i = o.row.index
        if i in broken:
            assert isinstance(o, Refused)
            assert (o.stage, o.reject) == ("step", Reject(Reason.ERROR, "ValueError in stage 'step': a bug"))
        elif i in refused:
            assert isinstance(o, Refused)
            assert o.reject.reason is Reason.GAP
        else:
            assert isinstance(o, Made)
            np.testing.assert_array_equal(o.fields["z"], clean.fields["z"])


def test_sub_batches_follow_the_plan_and_fields_go_after_their_last_need() -> None:
    step, last = Step(refuse=lambda row: row.index == 1), Last()
    out = list(chain(step, last).run(rows(6), load))
    assert step.seen == [(0, 1, 2, 3), (4, 5)]
    assert last.seen == [{"y"}, {"y"}], "x is gone: nobody after 'step' needs it"
    assert [set(o.fields) for o in out if isinstance(o, Made)] == [{"z"}] * 5


def test_stages_are_told_in_order_with_their_rejects() -> None:
    told: list[dict[str, Any]] = []
    list(chain(Step(refuse=lambda row: row.index < 2)).run(rows(6), load, told.append))
    assert [(e["stage"], e["at"], e["rows"]) for e in told] == [
        ("step", "start", 6), ("step", "end", 6), ("last", "start", 4), ("last", "end", 4),
    ]  # fmt: skip
    assert told[1]["rejects"] == {"gap": 2}
    assert told[1]["seconds"] >= 0


def test_a_streak_of_errors_stops_the_run() -> None:
    def fail(batch: Batch) -> None:
        msg = "nothing works at 0x7f3a9c001234"
        raise ValueError(msg)

    with pytest.raises(ErrorStreakError, match=r"'step' raised in 5 consecutive rows.*00000004.*at 0x…"):
        list(chain(Step(fail), streak=5).run(rows(9), load))


@pytest.mark.parametrize("error", [ImportError, MemoryError, NameError, OSError, AssetError])
def test_what_is_no_row_s_fault_is_not_a_reject(error: type[Exception]) -> None:
    def fail(batch: Batch) -> None:
        raise error("broken machine")

    with pytest.raises(error):
        list(chain(Step(fail)).run(rows(2), load))


def test_a_trace_has_every_field_and_the_bytes_of_the_run() -> None:
    made = {o.row.index: o for o in chain(Step(refuse=lambda row: row.index == 5)).run(rows(10), load)}
    step = Step(refuse=lambda row: row.index == 5)
    traces = list(chain(step).trace(rows(10), ["00000005", "00000006"], load))
    assert step.seen == [(4, 5, 6, 7)], "their sub-batch, and no other"
    assert [t.outcome.row.index for t in traces] == [5, 6]
    assert isinstance(traces[0].outcome, Refused)
    assert (set(traces[0].fields), traces[0].stages) == ({"x"}, ("step",))
    assert (set(traces[1].fields), traces[1].stages) == ({"x", "y", "z"}, ("step", "last"))
    np.testing.assert_array_equal(traces[1].fields["z"], made[6].fields["z"])
    with pytest.raises(KeyError, match="00000099"):
        list(chain(Step()).trace(rows(3), ["00000099"], load))


def test_a_kept_field_that_nobody_gives_is_named_before_anything_runs() -> None:
    with pytest.raises(ChainError, match="keeps field 'w', which no stage gives; known: x, y, z"):
        chain(Step(), keep=("w",))


@dataclass(frozen=True)
class Liar:
    """Returns what it was made with."""

    returns: Gives

    name: ClassVar[str] = "liar"
    version: ClassVar[int] = 1
    needs: ClassVar = (X,)
    gives: ClassVar = (Y,)

    def __call__(self, batch: Batch) -> Gives:
        return self.returns


@pytest.mark.parametrize(
    ("gives", "message"),
    [
        (Gives({"w": np.zeros((2, 4), np.float32)}), r"returned fields \['w'\], but declares \['y'\]"),
        (Gives({"y": np.zeros((2, 4), np.float64)}), r"'y' as float64 \(2, 4\), expected float32 \(2, 4\)"),
        (Gives({"y": np.zeros((3, 4), np.float32)}), r"float32 \(3, 4\), expected float32 \(2, 4\)"),
        (Gives({"y": np.zeros((2, 5), np.float32)}), r"float32 \(2, 5\), expected float32 \(2, 4\)"),
        (
            Gives({"y": np.zeros((2, 4), np.float32)}, {2: Reject(Reason.GAP, "")}),
            "rejected position 2 of 2 rows",
        ),
    ],
)
def test_a_stage_is_held_to_its_declaration(gives: Gives, message: str) -> None:
    with pytest.raises(ChainError, match=message):
        list(Chain((Liar(gives),), (X,), ("y",)).run(rows(2), load))


def test_a_source_without_a_field_says_what_to_do() -> None:
    with pytest.raises(
        ChainError, match=r"source s0 \(row 00000000\) has no field x.*delete the annotation cache"
    ):
        list(chain(Step()).run(rows(2), lambda source: {}))
