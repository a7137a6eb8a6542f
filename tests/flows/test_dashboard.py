from __future__ import annotations

import json
import re
import socket
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
import toy_dashboard
from toy_dashboard import Dashboard, wait_for

from flows import automations, dashboard, deploy
from flows.config import SynthesizeError
from flows.dashboard import keeping
from flows.records import put_back
from storage.generation import latest

ROOT = Path(__file__).parents[2]


def test_the_five_commands_are_in_the_docs_and_were_typed(dash: Dashboard) -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    block = re.search(r"five commands.*?```sh\n(.*?)```", page, re.S)
    assert block is not None
    commands = [line.split("#")[0].strip() for line in block[1].strip().splitlines()]
    assert len(commands) == 5
    assert commands[0].startswith("git clone")
    assert commands[1] == "make setup"
    assert [c.removeprefix(".venv/bin/").split()[:2] for c in commands[2:]] == [
        ["facepairs", "dashboard"], ["facepairs", "deploy"], ["facepairs", "trigger"],
    ]  # fmt: skip
    run = dash.run_of("synthesize")
    assert run is not None
    assert run["state"]["name"] == "Completed"


def test_schedules_make_runs(dash: Dashboard) -> None:
    """Fails with SQLAlchemy 2.1 unless the server is repaired (flows/serve.py)."""
    body = {"flows": {"name": {"any_": ["gc"]}}, "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}}
    scheduled = wait_for(lambda: dash.ask("flow_runs/filter", body))
    assert {datetime.fromisoformat(run["expected_start_time"]).strftime("%a %H:%M") for run in scheduled} == {
        "Sun 04:00"
    }


def test_a_published_generation_starts_retraining_which_reads_the_disk(dash: Dashboard) -> None:
    run = wait_for(lambda: (r := dash.run_of("retrain")) and r["state"]["type"] == "COMPLETED" and r)
    published = latest(dash.folder / "store")
    assert published is not None
    assert run["parameters"] == {"store": str(dash.folder / "store"), "generation": published.name}
    trained = dash.ask("artifacts/filter", {"artifacts": {"key": {"any_": ["trained-on"]}}})
    assert trained[0]["data"] == f"{published.name} {published.hash}"


def test_a_high_reject_rate_is_counted_again_on_disk(dash: Dashboard) -> None:
    run = wait_for(lambda: (r := dash.run_of("check-rejects")) and r["state"]["type"] == "FAILED" and r)
    assert "4 of 20 rows" in run["state"]["message"]
    assert "the limit is 10%" in run["state"]["message"]


def test_each_run_has_one_artifact_of_each_kind(dash: Dashboard) -> None:
    run = dash.run_of("synthesize")
    found = dash.ask("artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [run["id"]]}}})
    assert sorted(a["key"] for a in found) == [
        "contact-sheet", "pairs", "reject-reasons", "report", "run-summary", "yield-per-stage",
    ]  # fmt: skip
    of_key = {a["key"]: a for a in found}
    assert of_key["pairs"]["data"] == 100
    assert [row["stage"] for row in json.loads(of_key["yield-per-stage"]["data"])] == [
        "draw",
        "judge",
        "store",
    ]
    assert of_key["contact-sheet"]["data"].startswith(f"{dash.pages}/store-")


def test_pages_show_the_store_of_the_run(dash: Dashboard) -> None:
    with urllib.request.urlopen(dash.pages) as answer:
        page = answer.read().decode()
    assert "20 planned = 16 committed + 4 rejected + 0 pending; gen-000001.json" in page
    link = re.search(r'href="(/store-[^"]*/report.html)"', page)
    assert link is not None
    with urllib.request.urlopen(dash.pages + link[1]) as answer:
        report = answer.read().decode()
    assert "http://" not in report
    assert "https://" not in report


def test_other_origins_may_not_call_the_api(dash: Dashboard) -> None:
    def preflight(origin: str) -> str | None:
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        request = urllib.request.Request(
            f"{dash.url}/api/flow_runs/filter", headers=headers, method="OPTIONS"
        )
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.headers["Access-Control-Allow-Origin"]
        except urllib.error.HTTPError as refused:
            return refused.headers["Access-Control-Allow-Origin"]

    assert preflight("http://example.org") is None
    assert preflight(dash.url) == dash.url


def test_it_listens_on_loopback_only(dash: Dashboard) -> None:
    listening = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            address, port = line.split()[1].split(":")
            if line.split()[3] == "0A" and int(port, 16) in (dash.port, dash.port + 1):
                listening.append(address)
    assert listening == ["0100007F", "0100007F"]


def test_a_run_without_a_heartbeat_is_marked_crashed(dash: Dashboard) -> None:
    flow = dash.ask("flows/", {"name": "ghost"})
    run = dash.ask("flow_runs/", {"flow_id": flow["id"], "state": {"type": "RUNNING"}})
    wanted = automations.dead_runs().model_dump(mode="json", exclude={"id"})
    wanted["trigger"]["within"] = 10.0
    wanted["trigger"]["match"] = {"prefect.resource.id": f"prefect.flow-run.{run['id']}"}
    dash.ask("automations/", wanted | {"name": "dead runs, soon"})
    beat = {
        "id": str(uuid4()), "occurred": datetime.now(UTC).isoformat(), "event": "prefect.flow-run.heartbeat",
        "resource": {"prefect.resource.id": f"prefect.flow-run.{run['id']}"}, "related": [], "payload": {},
    }  # fmt: skip
    time.sleep(2)  # the server takes up a new automation a moment after it was created
    dash.ask("events", [beat])
    state = wait_for(
        lambda: (s := dash.ask(f"flow_runs/{run['id']}")["state"])["type"] == "CRASHED" and s, 60
    )
    assert "No sign of life" in state["message"]


def test_a_run_that_was_taken_up_and_not_begun_is_due_again(dash: Dashboard) -> None:
    """And frees its place: deployments here take one run at once."""
    found = {d["name"]: d["id"] for d in dash.ask("deployments/filter", {})}
    later = {"type": "SCHEDULED", "state_details": {"scheduled_time": "2030-01-01T00:00:00Z"}}
    run = dash.ask(f"deployments/{found['weekly']}/create_flow_run", {"state": later})
    dash.ask(
        f"flow_runs/{run['id']}/set_state",
        {"state": {"type": "PENDING", "name": "Submitting"}, "force": True},
    )
    assert put_back(f"{dash.url}/api") == 1
    assert dash.ask(f"flow_runs/{run['id']}")["state"]["type"] == "SCHEDULED"
    assert put_back(f"{dash.url}/api") == 0


def test_the_automations_are_there_once(dash: Dashboard) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: f"{dash.url}/api"}):
        deploy.automate(deploy.list_deployments())  # what a second `facepairs deploy` does at its end
    names = [a["name"] for a in dash.ask("automations/filter", {})]
    assert sorted(n for n in names if n.startswith("facepairs")) == sorted(
        [automations.RETRAIN, automations.DEAD, automations.UNBORN, automations.REJECTS]
    )


def test_ctrl_c_drains_and_leaves_no_process(dash: Dashboard) -> None:
    """The last test of the session's dashboard; the browser's tests came before, by the name of their file."""
    began = time.monotonic()
    said = dash.stop()
    assert dash.process.returncode == 130
    assert "stopping" in said
    assert time.monotonic() - began < 40
    assert not (dash.folder / "cache" / "prefect" / "dashboard.json").exists()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", dash.port)) != 0


def test_a_taken_port_is_one_sentence(tmp_path: Path) -> None:
    port = toy_dashboard.two_ports()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port + 1))
        taken.listen()
        with (
            pytest.raises(SynthesizeError, match=rf"port {port + 1} of 127.0.0.1 cannot be used"),
            keeping(tmp_path, "127.0.0.1", port, None, ()),
        ):
            pass


@pytest.mark.parametrize("port", [0, 65535, 70000])
def test_a_port_that_is_none_is_one_sentence(tmp_path: Path, port: int) -> None:
    with (
        pytest.raises(SynthesizeError, match=f"--port takes 1 to 65534, .* got {port}"),
        keeping(tmp_path, "127.0.0.1", port, None, ()),
    ):
        pass


def test_a_second_dashboard_of_the_same_home_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        dashboard.server, "dashboard", lambda home: {"pid": 7, "url": "http://127.0.0.1:1/api"}
    )
    with (
        pytest.raises(SynthesizeError, match="is running already"),
        keeping(tmp_path, "127.0.0.1", 1, None, ()),
    ):
        pass
