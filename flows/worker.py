"""A worker process: takes jobs from a socket, tells what happens, answers with a result. No Prefect here.

Messages are JSON, one per frame. In: ``{"call": "module:function", "args": {…}}``. Out: any number of
``{"event": {…}}``, then ``{"done": result}`` or ``{"error": {"type", "message", "traceback"}}``. The function
is called as ``function(**args, emit=…)``. The worker ends when its parent closes the socket, also after the
parent's death: it then finishes and commits the job in hand.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from flows.logs import RUN_VARIABLE, JsonLines


class UnknownNameError(ValueError):
    """A name in ``module:name`` form that leads nowhere; the message is one sentence."""


def resolve(call: str) -> Callable[..., Any]:
    """``"module:name"`` to the object.

    Raises:
        UnknownNameError: there is no such module or name.
    """
    module, _, name = call.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ModuleNotFoundError, AttributeError) as error:
        msg = f"'{call}' cannot be found ({error}); write it as package.module:name of something importable."
        raise UnknownNameError(msg) from error


def serve(connection: Connection, fields: dict[str, Any]) -> None:
    """Answer jobs until the other side hangs up; ``fields``, of all log lines, get the shard and stage at work."""

    def send(message: dict[str, Any]) -> None:
        if "event" in message:
            fields["stage"] = message["event"].get("stage")
        # A parent that is gone hears nothing; the job still finishes, because its commit is what counts.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.send_bytes(json.dumps(message).encode())

    while True:
        try:
            job = json.loads(connection.recv_bytes())
        except (EOFError, ConnectionResetError):
            return
        fields |= {"shard": job["args"].get("shard"), "stage": None}
        try:
            result = resolve(job["call"])(**job["args"], emit=lambda event: send({"event": event}))
        except Exception as error:
            logging.getLogger(__name__).exception("job %s", job["call"])
            described = {
                "type": type(error).__name__,
                "message": str(error),
                "traceback": traceback.format_exc(),
            }
            send({"error": described})
        else:
            send({"done": result})


def main() -> None:
    """Serve on the inherited socket whose number is the only argument."""
    # Ctrl-C reaches the whole terminal group; the parent decides what happens to the job in hand.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import cv2  # the command line imports this module for its help

    # OpenCV rounds differently when it splits a picture over threads: bytes would depend on the number of cores.
    cv2.setNumThreads(1)
    fields: dict[str, Any] = {"run": os.environ.get(RUN_VARIABLE, ""), "worker": os.getpid()}
    lines = logging.StreamHandler()
    lines.setFormatter(JsonLines(fields))
    logging.basicConfig(level=logging.INFO, handlers=[lines])
    serve(Connection(int(sys.argv[1])), fields)


if __name__ == "__main__":
    main()
