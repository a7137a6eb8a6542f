"""One run server of our own for all flow tests: it is started, used and drained as in a real run."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # toy_jobs, toy_recipe: workers import them by name
sys.path.insert(0, str(Path(__file__).parents[1] / "formats"))  # published

import toy_dashboard
import toy_recipe


@pytest.fixture(scope="session")
def run_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    from flows.server import api

    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PREFECT_API_URL", raising=False)
        patch.setenv("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "ERROR")
        with api(tmp_path_factory.mktemp("prefect")) as reached:
            assert reached.owned
            yield reached.url


@pytest.fixture(scope="session")
def dash(tmp_path_factory: pytest.TempPathFactory) -> Iterator[toy_dashboard.Dashboard]:
    """A dashboard with toys deployed and one run made, by the commands that a user types."""
    folder = tmp_path_factory.mktemp("dashboard")
    toy_recipe.make_photos(folder / "photos", 6)
    shown = toy_dashboard.Dashboard.start(folder)
    try:
        shown.type("deploy", "--file", str(toy_dashboard.deployments(folder)))
        shown.type("trigger", "synthesize/first", "--after", "0", "--wait")
        yield shown
    finally:
        if shown.process.poll() is None:
            shown.process.kill()
