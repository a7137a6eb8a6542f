"""The runner that a configuration asks for."""

from __future__ import annotations

from pathlib import Path

from flows.config import DASK, PROCESSES, SynthesizeConfig, SynthesizeError
from flows.jobs import Runner
from flows.runner import Pool


def open_runner(config: SynthesizeConfig, logs: Path) -> Runner:
    """Local processes, a Dask cluster on this machine, or the workers of a Dask scheduler; not entered yet.

    Args:
        config: says which, how many workers, and how often they are tried and replaced.
        logs: folder of this run's logs.

    Raises:
        SynthesizeError: Dask is not installed.
    """
    if config.runner == PROCESSES:
        return Pool(config.workers, config.recycle, config.attempts, logs)
    try:
        from flows.dask_runner import DaskRunner
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] not in {"dask", "distributed"}:
            raise
        msg = f"--runner {config.runner} needs Dask, which is not installed; type `pip install 'facepairs[dask]'`."
        raise SynthesizeError(msg) from error
    scheduler = None if config.runner == DASK else config.runner
    return DaskRunner(
        config.workers, config.recycle, config.attempts, logs, scheduler=scheduler, gpu=config.device != "cpu"
    )
