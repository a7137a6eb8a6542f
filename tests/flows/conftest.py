"""One run server of our own for all flow tests: it is started, used and drained as in a real run."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # toy_jobs, toy_recipe: workers import them by name
sys.path.insert(0, str(Path(__file__).parents[1] / "formats"))  # published


@pytest.fixture(scope="session")
def run_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    from flows.server import api

    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PREFECT_API_URL", raising=False)
        patch.setenv("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "ERROR")
        with api(tmp_path_factory.mktemp("prefect")) as reached:
            assert reached.owned
            yield reached.url
