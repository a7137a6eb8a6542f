"""The automations of a dashboard, as code: chain retraining, mark dead runs, look at rejects.

``facepairs deploy`` puts them on the server, in place of older ones of the same names.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from prefect.automations import Automation
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState, RunDeployment
from prefect.events.schemas.automations import EventTrigger, Posture

from flows.announce import PUBLISHED, REJECTS_HIGH, RESOURCE
from flows.dashboard import HEARTBEAT

RETRAIN, DEAD, UNBORN, REJECTS = (
    "facepairs: retrain on a published generation",
    "facepairs: runs without a heartbeat are crashed",
    "facepairs: runs that were taken up and never begin are crashed",
    "facepairs: look at a high reject rate",
)
SILENCE = timedelta(seconds=3 * HEARTBEAT)
BIRTH = timedelta(minutes=20)  # a pod may wait for its image
_ENDED = {f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Cancelled", "Crashed")}


def dead_runs(silence: timedelta = SILENCE) -> Automation:
    """A run that gave a sign of life and then, for ``silence``, neither another nor an end, is crashed.

    A worker that survives its child reports the crash itself; this is for a machine or a worker that is gone. The mark
    decides nothing: the run may live behind a broken network and still finish, since truth is in the store.
    """
    beat = "prefect.flow-run.heartbeat"
    return _without(DEAD, silence, {beat}, {beat, *_ENDED}, "No sign of life")


def unborn_runs(patience: timedelta = BIRTH) -> Automation:
    """A run that a worker took up and of which nothing more is heard is crashed: it holds a place of its limit."""
    taken = {"prefect.flow-run.Pending", "prefect.flow-run.Submitting"}
    return _without(UNBORN, patience, taken, {"prefect.flow-run.*"}, "It did not begin")


def _without(name: str, span: timedelta, after: set[str], expect: set[str], what: str) -> Automation:
    """Crash a flow run when none of some events follows within a span."""
    return Automation(
        name=name,
        description="Their machine or worker is gone; the same deployment resumes from the store.",
        trigger=EventTrigger(
            posture=Posture.Proactive,
            match={"prefect.resource.id": "prefect.flow-run.*"},
            for_each={"prefect.resource.id"},
            after=after,
            expect=expect,
            threshold=1,
            within=span,
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED,
                message=f"{what} for {span.total_seconds():.0f} s; what is committed is kept.",
            )
        ],
    )


def retraining(deployment: UUID) -> Automation:
    """A published generation starts the retraining deployment with the store and the generation's name."""
    return _after(
        PUBLISHED, RETRAIN, deployment, store="{{ event.payload.store }}",
        generation="{{ event.payload.generation }}",
    )  # fmt: skip


def rejects(deployment: UUID) -> Automation:
    """A reject rate above the run's limit starts the deployment that counts again on disk."""
    return _after(REJECTS_HIGH, REJECTS, deployment, store="{{ event.payload.store }}", limit=_json("limit"))


def _after(event: str, name: str, deployment: UUID, **parameters: Any) -> Automation:
    """Run a deployment after an event about a store."""
    return Automation(
        name=name,
        description="The event says where to look; the run reads the store.",
        trigger=EventTrigger(
            match={"prefect.resource.id": f"{RESOURCE}*"}, expect={event}, posture=Posture.Reactive
        ),
        actions=[RunDeployment(source="selected", deployment_id=deployment, parameters=parameters)],
    )


def _json(field: str) -> dict[str, Any]:
    """A number of the payload: templates give strings, and this wrapper turns one back into a value."""
    template = {"__prefect_kind": "jinja", "template": "{{ event.payload." + field + " }}"}
    return {"__prefect_kind": "json", "value": template}


def put(wanted: list[Automation]) -> None:
    """Create the automations on the configured API; those of the same names are replaced."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        for automation in wanted:
            for old in client.read_automations_by_name(automation.name):
                client.delete_automation(old.id)
    for automation in wanted:
        automation.create()
