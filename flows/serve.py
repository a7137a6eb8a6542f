"""``python -m flows.serve server start ...``: Prefect's command, with a repair without which no schedule makes a run.

Prefect 3.8.8 inserts scheduled runs in bulk with a key ``state`` that no column has. SQLAlchemy 2.0 passed over it, 2.1
wants to be told what to do with it and raises, so the scheduler never creates a run (docs/adr/022). Here it is told to
pass over it again.
"""

from __future__ import annotations

import runpy
from collections.abc import MutableMapping
from typing import Any


def repair() -> int:
    """Let bulk inserts of runs pass over ``state``, which has a table of its own; returns how many needed it."""
    from prefect.server.database.orm_models import FlowRun, TaskRun
    from sqlalchemy import inspect

    repaired = 0
    for run in (FlowRun, TaskRun):
        hybrid: Any = inspect(run).all_orm_descriptors["state"]
        if getattr(hybrid, "bulk_dml_setter", _pass_over) is None:
            hybrid.bulk_dml_setter = _pass_over
            repaired += 1
    return repaired


def _pass_over(run: type, mapping: MutableMapping[str, Any], state: Any) -> None:
    """The states of the inserted runs are inserted by the statement after."""


if __name__ == "__main__":
    repair()
    runpy.run_module("prefect", run_name="__main__", alter_sys=True)
