"""Waiting until a Prefect server has on record what was reported to it, and going on where it is not there any more."""

from __future__ import annotations

import json
import logging
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any
from uuid import UUID

from flows.progress import Board
from flows.server import ServerError, away, nobody_at

if TYPE_CHECKING:
    from prefect.states import State

log = logging.getLogger(__name__)

ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


def drain(flow_run_id: UUID, expected: int, timeout: float = 120.0) -> dict[str, int]:
    """Wait until the task runs of a flow run are on record as ended; returns their number by state.

    Args:
        flow_run_id: the flow run.
        expected: task runs that it started, nested ones included.
        timeout: seconds after which we go on without the rest; telemetry never holds up a run for ever.
    """
    import httpx
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
    from prefect.exceptions import PrefectHTTPStatusError

    chosen = FlowRunFilter(id=FlowRunFilterId(any_=[flow_run_id]))
    deadline = time.monotonic() + timeout
    states: dict[str, int] = {}
    with get_client(sync_client=True) as client:
        while time.monotonic() < deadline:
            try:
                states = _states(client, chosen)
            except (httpx.HTTPError, PrefectHTTPStatusError) as error:
                log.warning(
                    "the run server does not say what it recorded (%s); the pairs are not affected", error
                )
                return states
            ended = sum(states.get(s, 0) for s in ENDED)
            if ended >= expected:
                return states
            time.sleep(0.5)
    log.warning(
        "only %d of %d task runs were recorded within %.0f s", sum(states.values()), expected, timeout
    )
    return states


def _states(client: Any, chosen: Any) -> dict[str, int]:
    """Task runs of a flow run by state type; the API pages by 200."""
    states: dict[str, int] = {}
    offset = 0
    while True:
        page = client.read_task_runs(flow_run_filter=chosen, limit=200, offset=offset)
        for run in page:
            name = run.state_type.value if run.state_type else "PENDING"
            states[name] = states.get(name, 0) + 1
        if len(page) < 200:
            return states
        offset += 200


def unrecorded(board: Board, url: str, error: Exception) -> State[Any]:
    """The state that a flow ended in whose server went away: what it did is on disk all the same.

    Args:
        board: knows what the flow returned or raised.
        url: the API.
        error: what Prefect raised.

    Raises:
        ServerError: the server went away before the flow began.
        Whatever the flow itself raised, or ``error`` when the server is there.
    """
    from prefect.states import Completed

    if not away(url):
        raise error
    outcome = board.outcome
    if outcome is None:
        raise ServerError(nobody_at(url)) from error
    if isinstance(outcome, BaseException):
        raise outcome
    board.say(f"nobody answers at {url} any more: the run's end is not on record there, only on disk")
    return Completed(data=outcome) if isinstance(outcome, dict) else outcome


def settle(url: str, timeout: float = 30.0, quiet: float = 4.0) -> int:
    """Wait until a server has on record what was reported to it; returns the task runs that never ended.

    Records arrive in order: a flow run that ended while some of its task runs have not is still being written. Those
    of killed runs never end: when nothing changed for ``quiet`` seconds, we stop waiting.

    Args:
        url: the API.
        timeout: seconds after which we go on anyway.
        quiet: seconds without a change after which nothing more is expected.
    """
    open_runs = {
        "flow_runs": {"state": {"type": {"any_": list(ENDED)}}},
        "task_runs": {"state": {"type": {"any_": ["PENDING", "RUNNING"]}}},
    }
    began = changed = time.monotonic()
    before = -1
    while True:
        try:
            count = int(_post(f"{url}/task_runs/count", open_runs))
        except (urllib.error.URLError, OSError, ValueError) as error:
            log.warning("the server does not say what it recorded (%s)", error)
            return max(before, 0)
        now = time.monotonic()
        if count != before:
            before, changed = count, now
        if now - changed > (quiet if count else 1) or now - began > timeout:
            return count
        time.sleep(0.5)


def put_back(url: str) -> int:
    """Schedule again the runs that a worker had taken up and not begun; returns how many.

    Such a run gives no sign of life, so nothing would ever mark it, and it would hold its place under its deployment's
    concurrency limit for ever. Called when the workers have ended.
    """
    try:
        taken = _post(f"{url}/flow_runs/filter", {"flow_runs": {"state": {"type": {"any_": ["PENDING"]}}}})
        for run in taken:
            state = {"type": "SCHEDULED", "name": "Scheduled", "message": "Its worker ended before it began."}
            _post(f"{url}/flow_runs/{run['id']}/set_state", {"state": state})
    except (urllib.error.URLError, OSError, ValueError) as error:
        log.warning("the server does not say which runs were about to begin (%s)", error)
        return 0
    return len(taken)


def _post(url: str, body: dict[str, Any]) -> Any:
    """The API's answer to a body."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read())
