from __future__ import annotations

import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from flows.config import SynthesizeConfig, SynthesizeError, explain
from flows.runner import Pool
from flows.runners import open_runner


def _config(folder: Path, **given: object) -> SynthesizeConfig:
    return SynthesizeConfig(out=folder / "store", cache=folder, workers=3, recycle=5, attempts=2, **given)


def test_processes_are_the_default(tmp_path: Path) -> None:
    runner = open_runner(_config(tmp_path), tmp_path / "logs")
    assert isinstance(runner, Pool)
    assert (runner.workers, runner.recycle, runner.attempts) == (3, 5, 2)


def test_dask_takes_the_same_settings_and_an_address(tmp_path: Path) -> None:
    runner = open_runner(_config(tmp_path, runner="tcp://127.0.0.1:8786", device="cuda"), tmp_path / "logs")
    assert (runner.workers, runner.recycle, runner.attempts, runner.scheduler, runner.gpu) == (
        3, 5, 2, "tcp://127.0.0.1:8786", True,
    )  # fmt: skip
    assert open_runner(_config(tmp_path, runner="dask"), tmp_path).scheduler is None


def test_without_dask_one_sentence_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    for name in [name for name in sys.modules if name.startswith("flows.dask_")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(SynthesizeError, match=r"--runner dask needs Dask.*pip install 'facepairs\[dask\]'"):
        open_runner(_config(tmp_path, runner="dask"), tmp_path)


def test_another_runner_is_refused_in_a_sentence(tmp_path: Path) -> None:
    for wrong in ("ray", "tcp://host", "http://host:80", "tcp://a b:1"):
        with pytest.raises(ValidationError) as caught:
            _config(tmp_path, runner=wrong)
        assert "--runner: processes, dask, or a scheduler's address such as tcp://" in explain(caught.value)
