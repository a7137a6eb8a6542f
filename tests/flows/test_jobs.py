from __future__ import annotations

import pytest

from flows.jobs import Done, JobError, last


def test_last_ignores_events() -> None:
    assert last(iter([{"n": 1}, {"n": 2}, Done(7)])) == 7
    with pytest.raises(AssertionError):
        last(iter([{"n": 1}]))


def test_an_error_keeps_kind_and_trace() -> None:
    error = JobError("shard 3: OSError: full", "OSError", "trace")
    assert (str(error), error.kind, error.trace) == ("shard 3: OSError: full", "OSError", "trace")
