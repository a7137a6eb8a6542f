"""Things made ahead come in order, few at a time, and their errors arrive."""

from __future__ import annotations

import threading
import time

import pytest

from models.networks.prefetch import ahead


def test_order_is_kept_and_all_come() -> None:
    assert list(ahead(lambda x: x * x, range(20))) == [x * x for x in range(20)]


def test_a_thread_works_ahead_and_no_further_than_told() -> None:
    made: list[int] = []

    def make(x: int) -> int:
        made.append(x)
        return threading.get_ident()

    source = ahead(make, range(10), depth=3)
    assert next(source) != threading.get_ident()
    time.sleep(0.05)
    assert made == [0, 1, 2, 3]


def test_an_error_is_raised_where_its_turn_is() -> None:
    source = ahead(lambda x: 1 / (2 - x), range(5))
    assert [next(source), next(source)] == [0.5, 1.0]
    with pytest.raises(ZeroDivisionError):
        next(source)


def test_one_who_stops_early_leaves_no_thread() -> None:
    before = threading.active_count()
    source = ahead(lambda x: x, range(1000))
    next(source)
    source.close()
    assert threading.active_count() == before
