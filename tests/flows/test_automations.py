from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from prefect.server.events.schemas.automations import AutomationCreate

from flows import automations
from flows.announce import PUBLISHED, REJECTS_HIGH
from flows.dashboard import HEARTBEAT

DEPLOYMENT = uuid4()


@pytest.mark.parametrize(
    "automation",
    [
        automations.dead_runs(),
        automations.unborn_runs(),
        automations.retraining(DEPLOYMENT),
        automations.rejects(DEPLOYMENT),
    ],
    ids=lambda a: a.name,
)
def test_the_server_takes_them(automation: automations.Automation) -> None:
    """By its own model; tests/flows/test_dashboard.py sees them act."""
    AutomationCreate.model_validate(automation.model_dump(mode="json", exclude={"id"}))


def test_three_heartbeats_may_be_missed_and_any_end_counts() -> None:
    trigger = automations.dead_runs().trigger
    assert trigger.within == timedelta(seconds=3 * HEARTBEAT)
    assert trigger.after == {"prefect.flow-run.heartbeat"}
    assert {"prefect.flow-run.Completed", "prefect.flow-run.Cancelled"} < trigger.expect


@pytest.mark.parametrize(
    ("automation", "event", "parameters"),
    [
        (automations.retraining(DEPLOYMENT), PUBLISHED, {"store", "generation"}),
        (automations.rejects(DEPLOYMENT), REJECTS_HIGH, {"store", "limit"}),
    ],
)
def test_events_hand_over_where_to_look(
    automation: automations.Automation, event: str, parameters: set[str]
) -> None:
    assert automation.trigger.expect == {event}
    assert automation.actions[0].deployment_id == DEPLOYMENT
    assert set(automation.actions[0].parameters) == parameters
