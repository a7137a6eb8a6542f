"""``facepairs deploy`` and ``facepairs trigger``: what ``prefect.yaml`` says, put on a server, and run.

Prefect's own command does the deploying; around it are work pools, limits and automations, so that one command sets up
a server that has nothing yet, and the same command again changes nothing.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from cyclopts import Parameter
from rich.console import Console

from flows.config import SynthesizeError, default_cache
from flows.server import ROOT, coming, configured_api, dashboard

Infrastructure = Literal["process", "docker", "kubernetes"]
LIMITS = {"cpu": 2, "gpu": 1}  # runs at once: a synthesis beside an audit; one training per GPU worker
YEAR = 365 * 24 * 3600  # seconds
WAIT = 20.0  # seconds until a dashboard that was typed just before is a process
_out = Console(stderr=True)


def deploy(
    *,
    on: Annotated[
        Infrastructure, Parameter(help="Where runs happen: process, docker or kubernetes.")
    ] = "process",
    file: Annotated[
        Path | None, Parameter(help="Deployments; default: the prefect.yaml of this clone.")
    ] = None,
) -> int:
    """Register work pools, deployments, schedules and automations on the dashboard that runs, or on PREFECT_API_URL.

    Example: facepairs deploy
    """
    path = (file or ROOT / "prefect.yaml").absolute()
    declared = read_declared(path, on)
    with reached() as url:
        make_pools(declared["definitions"]["pools"][on], on)
        run_prefect_deploy(declared, url)
        made = list_deployments()
        automate(made)
    for name in sorted(made):
        _out.print(f"deployed {name}", highlight=False)
    page = f"{url.removesuffix('/api')}/v2/deployments"
    _out.print(f"look at {page}; next: facepairs trigger synthesize/first", highlight=False, soft_wrap=True)
    return 0


def trigger(
    name: Annotated[str, Parameter(help="Deployment as FLOW/NAME, for example synthesize/first.")],
    *,
    after: Annotated[float, Parameter(help="Seconds until the run is due.")] = 5.0,
    wait: Annotated[bool, Parameter(negative=(), help="Wait until the run has ended.")] = False,
) -> int:
    """Schedule a run of a deployment, and say where its page is.

    Exit code 1 when it was waited for and did not complete. Example: facepairs trigger synthesize/first --wait
    """
    from prefect.deployments import run_deployment

    if not 0 <= after <= YEAR:  # not a number is neither
        msg = f"--after takes seconds from 0 to {YEAR}, a year, got {after:g}."
        raise SynthesizeError(msg)
    with reached() as url:
        known = list_deployments()
        if name not in known:
            msg = f"there is no deployment '{name}' ({', '.join(sorted(known)) or 'none'}); type 'facepairs deploy'."
            raise SynthesizeError(msg)
        due = datetime.now(UTC) + timedelta(seconds=after)
        run: Any = run_deployment(name, scheduled_time=due, timeout=0, as_subflow=False)
        page = f"{url.removesuffix('/api')}/v2/runs/flow-run/{run.id}"
        _out.print(f"{name} is due at {due:%H:%M:%S} UTC: {page}", highlight=False, soft_wrap=True)
        if not wait:
            return 0
        state = _ended(run.id)
    _out.print(f"{state.name}{f': {state.message}' if state.message else ''}", highlight=False)
    return 0 if state.is_completed() else 1


@contextmanager
def reached() -> Iterator[str]:
    """The API to talk to while the block lasts: the configured one, else that of the dashboard in the cache folder.

    Raises:
        SynthesizeError: there is neither.
    """
    from prefect.settings import PREFECT_API_URL, temporary_settings

    home = default_cache().absolute() / "prefect"
    deadline = time.monotonic() + WAIT
    while (url := configured_api() or (dashboard(home) or {}).get("url")) is None:
        if time.monotonic() > deadline and not coming(home):
            msg = (
                f"no dashboard of {home} answers and PREFECT_API_URL is not set; type 'facepairs dashboard' in another "
                "terminal first."
            )
            raise SynthesizeError(msg)
        time.sleep(0.5)
    with temporary_settings({PREFECT_API_URL: url}):
        yield url


def read_declared(path: Path, on: Infrastructure) -> dict[str, Any]:
    """The file with its deployments on the pools of ``on``.

    Raises:
        SynthesizeError: there is no such file, or it declares nothing that can be deployed.
    """
    if not path.is_file():
        msg = f"{path} is not there; deploy from a clone of the project, or name a file with --file."
        raise SynthesizeError(msg)
    try:
        declared: dict[str, Any] = yaml.safe_load(path.read_text())
        pools = declared["definitions"]["pools"]
        kinds = {pool["name"]: kind for kind, pool in pools["process"].items()}
        for deployment in declared["deployments"]:
            deployment["work_pool"] = pools[on][kinds[deployment["work_pool"]["name"]]]
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        told = f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
        msg = (
            f"{path} declares no deployments with pools for {on} ({told}); write it like the prefect.yaml of the "
            "project."
        )
        raise SynthesizeError(msg) from None
    return declared


def make_pools(pools: dict[str, dict[str, Any]], on: Infrastructure) -> None:
    """Create the work pools that are missing, with their limits; an operator's own limit stays."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
    from prefect.exceptions import ObjectNotFound

    with get_client(sync_client=True) as client:
        for kind, pool in pools.items():
            try:
                there = client.read_work_pool(pool["name"])
            except ObjectNotFound:
                client.create_work_pool(
                    WorkPoolCreate(
                        name=pool["name"], type=on, concurrency_limit=LIMITS[kind], base_job_template=_template(on)
                    )
                )  # fmt: skip
            else:
                if there.concurrency_limit is None:
                    client.update_work_pool(there.name, WorkPoolUpdate(concurrency_limit=LIMITS[kind]))


def _template(on: Infrastructure) -> dict[str, Any]:
    """Prefect's job template of a kind of pool."""
    import anyio
    from prefect.workers.utilities import get_default_base_job_template_for_infrastructure_type

    found = anyio.run(get_default_base_job_template_for_infrastructure_type, on)
    if found is None:
        msg = f"Prefect has no job template for '{on}'; install prefect-{on}, then type the command again."
        raise SynthesizeError(msg)
    return found


def run_prefect_deploy(declared: dict[str, Any], url: str) -> None:
    """``prefect deploy --all`` with these deployments.

    Raises:
        SynthesizeError: Prefect refused one; with the end of what it said.
    """
    # Entry points are relative to the folder that Prefect is called in, the clone; the file itself may be elsewhere.
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "prefect.yaml"
        written.write_text(yaml.safe_dump(declared, sort_keys=False))
        words = ["--no-prompt", "deploy", "--all", "--prefect-file", str(written)]
        done = subprocess.run(
            [sys.executable, "-m", "prefect", *words],
            cwd=ROOT,
            env=os.environ | {"PREFECT_API_URL": url, "DO_NOT_TRACK": "1", "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        said = " ".join((done.stdout + done.stderr).split()[-60:])
        msg = f"Prefect refused the deployments: ...{said}"
        raise SynthesizeError(msg)


def list_deployments() -> dict[str, Any]:
    """Deployments of the API by FLOW/NAME."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        flows = {flow.id: flow.name for flow in client.read_flows(limit=200)}
        return {f"{flows[d.flow_id]}/{d.name}": d for d in client.read_deployments(limit=200)}


def automate(made: dict[str, Any]) -> None:
    """The automations whose deployments are there."""
    from flows import automations

    wanted = [automations.dead_runs(), automations.unborn_runs()]
    if found := made.get("retrain/on-publish"):
        wanted.append(automations.retraining(found.id))
    if found := made.get("check-rejects/on-alarm"):
        wanted.append(automations.rejects(found.id))
    automations.put(wanted)


def _ended(run_id: Any) -> Any:
    """The state of a flow run once it is final."""
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        while True:
            state = client.read_flow_run(run_id).state
            if state is not None and state.is_final():
                return state
            time.sleep(1)
