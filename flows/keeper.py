"""Our own run server, kept up: one that dies is started again on its port with its database.

Prefect is telemetry here, so nothing waits long for a server that is away: events are tried again when it is back, and
what could not be sent never holds up the end of a run.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from flows import server

log = logging.getLogger(__name__)

WATCH = 0.5  # seconds between looks at the process
# Prefect's client waits a second between later attempts, for every event: a dead server then holds up the end of a
# run by seven seconds an event. Events that failed are sent again with the first that does not.
ATTEMPTS = 2
RESTARTS = (
    5  # in a row that may fail before a run goes on without its page, each a second later than the one before
)


class Kept(NamedTuple):
    """A server that is kept up."""

    url: str
    pid: int  # of the process that was started first


@contextlib.contextmanager
def keeping(home: Path, timeout: float = 120.0) -> Iterator[Kept]:
    """A server of our own, which lives as long as the block.

    Args:
        home: folder of its database and log.
        timeout: seconds that it may take to answer.

    Raises:
        ServerError: it did not start.
    """
    told: queue.SimpleQueue[Kept | BaseException] = queue.SimpleQueue()
    ending = threading.Event()
    # Linux ends a server with the thread that started it, so one thread starts, watches and stops it.
    thread = threading.Thread(target=_keep, args=(home, timeout, told, ending), name="run-server")
    thread.start()
    try:
        answer = told.get()
        if isinstance(answer, BaseException):
            raise answer
        yield answer
    finally:
        ending.set()
        thread.join()


def _keep(
    home: Path, timeout: float, told: queue.SimpleQueue[Kept | BaseException], ending: threading.Event
) -> None:
    try:
        process, url = server.start(home, timeout)
    except BaseException as error:
        told.put(error)
        return
    told.put(Kept(url, process.pid))
    try:
        while not ending.wait(WATCH):
            if process.poll() is not None:
                log.warning("the run server died (exit code %d) and is started again", process.returncode)
                process = _restarted(home, timeout, int(urlsplit(url).port or 0), ending)
    except (server.ServerError, OSError) as error:
        log.warning("%s The run goes on without a page; the pairs are not affected.", error)
    finally:
        server.stop(process)


def _restarted(home: Path, timeout: float, port: int, ending: threading.Event) -> subprocess.Popen[bytes]:
    """A new process on the old port; one that ends before it answers, killed or short of memory, is tried again.

    Raises:
        ServerError: none answered, or the block ended meanwhile.
    """
    for pause in range(1, RESTARTS + 1):
        try:
            return server.start(home, timeout, port=port)[0]
        except server.ServerError as error:
            if pause == RESTARTS or ending.wait(pause):
                raise
            log.warning("%s It is tried again.", error)
    raise AssertionError


@contextlib.contextmanager
def brisk_events(url: str) -> Iterator[None]:
    """Within the block, events to a server that is away fail at once and are sent again when it is back."""
    from prefect.events.clients import PrefectEventsClient
    from prefect.events.worker import EventsWorker
    from prefect.settings import PREFECT_CLOUD_API_URL

    if url.startswith(PREFECT_CLOUD_API_URL.value()):  # it has a client of its own, with a key
        yield
        return
    EventsWorker.set_client_override(PrefectEventsClient, api_url=url, reconnection_attempts=ATTEMPTS)
    try:
        yield
    finally:
        EventsWorker.set_client_override(None)
