"""prefect.yaml against the schema that Prefect publishes (made from the installed models), its loader and our flows."""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from prefect.cli.deploy._models import PrefectYamlModel
from prefect.flows import load_flow_from_entrypoint
from prefect.schedules import Cron

from flows import deploy
from flows.config import SynthesizeError

ROOT = Path(__file__).parents[2]
DECLARED: dict[str, Any] = yaml.safe_load((ROOT / "prefect.yaml").read_text())
DEPLOYMENTS = {f"{d['entrypoint'].split('.')[-1]}/{d['name']}": d for d in DECLARED["deployments"]}


def strict(schema: Any) -> Any:
    """The schema with unknown keys refused where keys are listed: the published one lets typing errors pass."""
    if isinstance(schema, dict):
        closed = {k: strict(v) for k, v in schema.items()}
        if "properties" in closed and closed.get("type") == "object" and "additionalProperties" not in closed:
            closed["additionalProperties"] = False
        return closed
    return [strict(v) for v in schema] if isinstance(schema, list) else schema


def check(declared: dict[str, Any]) -> None:
    body = {k: v for k, v in declared.items() if k != "definitions"}  # ours, for anchors and pools
    jsonschema.validate(body, strict(PrefectYamlModel.model_json_schema()))


def test_the_file_is_valid_for_every_infrastructure() -> None:
    check(DECLARED)
    for on in ("process", "docker", "kubernetes"):
        declared = deploy.read_declared(ROOT / "prefect.yaml", on)  # type: ignore[arg-type]
        check(declared)
        PrefectYamlModel.model_validate(declared)
        names = {d["work_pool"]["name"] for d in declared["deployments"]}
        assert names == {pool["name"] for pool in declared["definitions"]["pools"][on].values()}


@pytest.mark.parametrize(
    "break_it",
    [
        lambda d: d["deployments"][0].update(entry_point="x"),
        lambda d: d["deployments"][0]["concurrency_limit"].update(strategy="ENQUEUE"),
        lambda d: d["deployments"][0].update(parameters=[1]),
        lambda d: d["deployments"][1]["schedules"].append({"cron": "0 1 * * *", "zone": "UTC"}),
    ],
)
def test_typing_errors_are_found(break_it: Any) -> None:
    broken = copy.deepcopy(DECLARED)
    break_it(broken)
    with pytest.raises(jsonschema.ValidationError):
        check(broken)


@pytest.mark.parametrize("name", sorted(DEPLOYMENTS))
def test_a_deployment_names_a_flow_that_takes_its_parameters(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = DEPLOYMENTS[name]
    monkeypatch.chdir(ROOT)
    before = list(sys.path)
    flow = load_flow_from_entrypoint(deployment["entrypoint"])
    assert sys.path == before, "no folder of ours hides the standard library"
    assert flow.should_validate_parameters
    validated = flow.validate_parameters(deployment["parameters"])
    assert set(validated) >= set(deployment["parameters"])


def test_limits_say_what_happens_on_collision_and_schedules_are_distinct() -> None:
    times = []
    for deployment in DECLARED["deployments"]:
        limit = deployment["concurrency_limit"]
        assert limit["limit"] == 1
        assert limit["collision_strategy"] in ("ENQUEUE", "CANCEL_NEW")
        for schedule in deployment.get("schedules", ()):
            assert Cron(schedule["cron"], timezone=schedule["timezone"], active=schedule["active"])
            assert schedule["slug"] in ("nightly", "weekly")
            times.append(schedule["cron"])
    assert len(times) == len(set(times)) == 4


def test_parameters_are_a_form(monkeypatch: pytest.MonkeyPatch) -> None:
    """The UI draws it from this schema: a title, a type and a sentence per field."""
    from prefect.utilities.callables import parameter_schema

    monkeypatch.chdir(ROOT)
    schema = parameter_schema(load_flow_from_entrypoint("flows.synthesize.synthesize"))
    form = schema.definitions["SynthesizeConfig"]["properties"]
    assert form["pairs"]["default"] == 200
    assert all(field["description"].endswith(".") for field in form.values())


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SynthesizeError, match="deploy from a clone"):
        deploy.read_declared(tmp_path / "prefect.yaml", "process")


@pytest.mark.parametrize("text", ["", "a: [", "definitions: {pools: {}}", "\udcff"])
def test_a_file_that_declares_nothing_is_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "prefect.yaml").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(
        SynthesizeError, match=r"^[^\n]*prefect.yaml declares no deployments with pools for process \("
    ):
        deploy.read_declared(tmp_path / "prefect.yaml", "process")


@pytest.mark.parametrize("after", [-1.0, float("nan"), float("inf")])
def test_a_time_that_never_comes_is_one_sentence(after: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deploy, "reached", None)
    with pytest.raises(SynthesizeError, match="--after takes seconds from 0 to"):
        deploy.trigger("synthesize/first", after=after)


def test_without_a_dashboard_it_says_what_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deploy, "WAIT", 0.0)
    monkeypatch.setattr(deploy, "configured_api", lambda: None)
    monkeypatch.setenv("FACEPAIRS_CACHE", str(tmp_path))
    with pytest.raises(SynthesizeError, match="facepairs dashboard"), deploy.reached():
        pass


def test_what_prefect_refuses_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deploy.sys, "executable", "/bin/false")
    with pytest.raises(SynthesizeError, match="Prefect refused"):
        deploy.run_prefect_deploy(DECLARED, "http://127.0.0.1:1/api")
    assert sys.executable == "/bin/false"
