from __future__ import annotations

from typing import Any

from prefect.server.database.orm_models import FlowRun, TaskRun
from sqlalchemy import inspect

from flows.serve import repair


def test_bulk_inserts_of_runs_may_carry_a_state() -> None:
    """What the scheduler inserts; tests/flows/test_dashboard.py sees the runs that it makes."""
    repair()
    assert repair() == 0, "nothing is left to repair"
    for run in (FlowRun, TaskRun):
        attribute: Any = getattr(run, "state")  # noqa: B009
        setter = getattr(attribute, "_bulk_dml_setter", None)
        if setter is not None:  # SQLAlchemy 2.1
            mapping = {"state": {"type": "SCHEDULED"}}
            setter("state")(mapping)
            assert mapping == {"state": {"type": "SCHEDULED"}}
        assert inspect(run).columns.get("state") is None
