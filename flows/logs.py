"""The log of a run: JSON lines with run, shard and stage, in a file that rotates; people read the console.

One folder per run under ``<cache>/logs``: ``run.jsonl`` of the parent and ``worker-<n>.log`` of each worker, both in
this form. Keys of a line: ``time`` (UTC, ISO 8601), ``level``, ``run``, ``event`` and ``message``, then ``shard``,
``stage`` and whatever the event is about.
"""

from __future__ import annotations

import json
import logging
import logging.handlers
import shutil
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

BYTES, BACKUPS = 8_000_000, 3  # of one run's file: 32 MB in all, about 150,000 events
KEEP = 50  # runs whose folders are kept
NAMES = ("facepairs", "flows", "storage", "tasks", "models", "assets")  # loggers whose lines are of the run
FILE = "run.jsonl"
RUN_VARIABLE = "FACEPAIRS_RUN"  # tells a worker which run it works for


class JsonLines(logging.Formatter):
    """A record as one line of JSON; ``fields`` are in every line, ``record.facts`` in that one.

    Args:
        fields: what all lines share, such as the run; may be changed while it is used.
    """

    def __init__(self, fields: dict[str, Any]) -> None:
        super().__init__()
        self.fields = fields

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        facts: dict[str, Any] = getattr(record, "facts", {})
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            **self.fields,
            "event": "log",
            "message": record.getMessage(),
            **facts,
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps({k: v for k, v in line.items() if v not in (None, "")}, default=str)


class _File(logging.handlers.RotatingFileHandler):
    """A log that cannot be written must not fill the console."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Nothing: the run goes on without this line."""


class RunLog:
    """The JSON lines of one run, and of everything that its process logs meanwhile.

    Args:
        folder: of the run; made when needed.
        run: its id.
        fields: what else is in every line.
    """

    def __init__(self, folder: Path, run: str, **fields: Any) -> None:
        self.path = folder / FILE
        folder.mkdir(parents=True, exist_ok=True)
        _prune(folder)
        self._handler = _File(self.path, maxBytes=BYTES, backupCount=BACKUPS, delay=True)
        self._handler.setFormatter(JsonLines({"run": run, **fields}))

    def __enter__(self) -> Self:
        for name in NAMES:
            logging.getLogger(name).addHandler(self._handler)
        return self

    def __exit__(self, *exception: object) -> None:
        for name in NAMES:
            logging.getLogger(name).removeHandler(self._handler)
        self._handler.close()

    def record(self, event: str, message: str = "", **facts: Any) -> None:
        """One line; never raises: a full disk must not end a run because of its log."""
        entry = logging.LogRecord("facepairs", logging.INFO, "", 0, message, None, None)
        entry.facts = {"event": event, **facts}
        with suppress(OSError, ValueError):
            self._handler.handle(entry)


def _prune(own: Path) -> None:
    """Remove the folders beside a run's own of all but the last runs."""
    others = (path for path in own.parent.iterdir() if path.is_dir() and path != own)
    runs = sorted(others, key=lambda path: path.stat().st_mtime)
    for path in runs[: max(0, len(runs) - KEEP)]:
        shutil.rmtree(path, ignore_errors=True)
