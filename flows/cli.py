"""The ``facepairs`` command. Verbs are imported when they are called, so that help comes at once."""

from __future__ import annotations

import errno
import json
import os
import sys
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter
from pydantic import ValidationError
from rich.console import Console

from flows.config import SynthesizeConfig, SynthesizeError, explain
from flows.jobs import JobError, StoppedError, WorkerDiedError
from flows.worker import UnknownNameError
from storage.errors import StoreError

BAD_INPUT, STOPPED, UNREAD = 2, 130, 141

app = App(
    name="facepairs",
    help="Pseudo 2D-3D face pairs from photographs: make them, look at them, prove that the store is whole.",
    version_flags=["--version"],
)
Json = Annotated[bool, Parameter(name="--json", negative=(), help="Print the result as JSON.")]


@app.command
def synthesize(*, config: Annotated[SynthesizeConfig, Parameter(name="*")], as_json: Json = False) -> int:
    """Make a pair store from photographs; the same command again resumes it.

    Example: facepairs synthesize --photos ~/portraits --pairs 1000 --out out/portraits --workers 8
    """
    return run_config(config, as_json)


def run_config(config: SynthesizeConfig, as_json: bool = False) -> int:
    """Make or resume a store as configured, shown live; the exit code."""
    # The board counts task runs and main() tells errors in a sentence; Prefect's own lines stay on the run page.
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    os.environ.setdefault(
        "PREFECT_LOGGING_INTERNAL_LEVEL", "CRITICAL"
    )  # a screen for each record that did not arrive
    from flows.progress import Board
    from flows.summary import markdown
    from flows.synthesize import check_places, run_synthesis

    console = Console(stderr=as_json)
    check_places(config)
    config.cache.mkdir(parents=True, exist_ok=True)
    result = run_synthesis(config, Board(console))
    if as_json:
        sys.stdout.write(json.dumps(result, sort_keys=True) + "\n")
    elif result["state"] == "Completed":
        console.print(markdown(result).lstrip("# "), highlight=False)
        if "report" in result:
            console.print(f"look at {result['report']['report']} and {result['report']['sheet']}")
    else:
        console.print(result["message"])
    return 0 if result["state"] == "Completed" else STOPPED


_VERBS = {
    "status": "Show how far a store is, what was rejected, and what each stage costs.",
    "plan": "Show what a store was planned to hold.",
    "verify": "Prove from the bytes on disk that the store is whole.",
    "why": "Say what became of one pair, and draw its stages.",
    "mesh": "Write the surface of one pair, decoded from the store alone.",
    "preview": "Draw a contact sheet of random accepted pairs.",
    "report": "Write report.html again.",
    "gc": "List or remove what dead attempts left behind.",
}
_REMOTE = {
    "push": "Upload a store to s3://bucket/prefix, or go on uploading it.",
    "pull": "Copy a store from s3://bucket/prefix, to go on with it here.",
}
_OPERATIONS = {
    "run": "Go on with a store from its own settings.",
    "retry": "Make the rows again that were rejected for a reason.",
    "diff": "Say what changed between two generations.",
    "export": "Copy a generation for WebDataset or Hugging Face datasets.",
}
for _verb, _help in _VERBS.items():
    app.command(f"flows.verbs:{_verb}", name=_verb, help=_help)
for _verb, _help in _OPERATIONS.items():
    app.command(f"flows.operate:{_verb}", name=_verb, help=_help)
for _verb, _help in _REMOTE.items():
    app.command(f"flows.remote_cli:{_verb}", name=_verb, help=_help)
app.command(
    "flows.licences_cli:licences",
    name="licences",
    help="Say what may be done with a store, and because of which files.",
)
app.command(
    "flows.licences_cli:publish",
    name="publish",
    help="Mark a store as public, if its licence ledger allows that.",
)
app.command(
    "flows.audit:audit",
    name="audit",
    help="Measure a store with observers that took no part in making it.",
)
app.command(
    "flows.stage_costs:profile",
    name="profile",
    help="Show what each stage costs: wall, CPU, memory, cache misses.",
)
app.command("flows.pace:pace", name="pace", help="Show a run's rate and memory over time, from its log.")
app.command(
    "flows.assets_cli:app",
    name="assets",
    help="Head models, textures, photographs, weights: list, verify, build.",
)
app.command(
    "flows.dashboard:dashboard",
    name="dashboard",
    help="Serve run pages, schedules and reports, with workers on this machine.",
)
app.command(
    "flows.deploy:deploy", name="deploy", help="Register work pools, deployments, schedules and automations."
)
app.command("flows.deploy:trigger", name="trigger", help="Schedule a run of a deployment.")
app.command(
    "flows.train_swap:app", name="train-swap", help="Train the completion and the inpainting network."
)
app.command(
    "flows.train:run_training", name="train", help="Train the signed-distance networks on a published store."
)
app.command(
    "flows.retrain:run_retraining",
    name="retrain",
    help="Train on new generations; use the model if it is better.",
)
app.command(
    "flows.evaluate:evaluate",
    name="evaluate",
    help="Measure trained models and floors on a benchmark, in the layout of the paper's tables.",
)
app.command("flows.bench:app", name="bench", help="The open benchmark: build it, check it.")
app.command(
    "flows.reconstruct:reconstruct",
    name="reconstruct",
    help="Reconstruct the faces of photographs as meshes.",
)


# Errors of a worker's job that are the user's to fix; of any other the type is told, too.
_USERS = {
    "StoreError", "CorruptStore", "SchemaError", "ShardAborted", "LicenceError", "SynthesizeError", "AssetError",
    "SourceError", "LandmarkError", "UnknownNameError",
}  # fmt: skip


# What an operating system refuses that is the user's to change, and how; any other error of it is a bug.
_MACHINE = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EROFS: "give a place that can be written",
    errno.EACCES: "get the rights to it, or give another place",
    errno.EPERM: "get the rights to it, or give another place",
    errno.ENOTDIR: "give a place without a file on the way to it",
    errno.EISDIR: "give a file, not a folder",
    errno.ENAMETOOLONG: "give a shorter name",
    errno.EMFILE: "allow more open files with `ulimit -n 4096`",
    errno.EIO: "check the disk",
}


def _refused(error: OSError) -> str | None:
    """What the operating system refused, in a sentence; None for what is no matter of the user's."""
    if error.errno not in _MACHINE:
        return None
    where = error.filename or "a file that was being written"
    return f"{where}: {error.strerror}; {_MACHINE[error.errno]}, then type the same command again."


def _sentence(error: BaseException) -> str | None:
    """What to tell the user of an error that is theirs to fix; None for a bug, which keeps its traceback."""
    if isinstance(error, ValidationError):
        return explain(error)
    if isinstance(error, CycloptsError):
        cause = error.__cause__
        if isinstance(cause, ValidationError):
            return explain(cause)
        return " ".join(str(error).split()) + " Type 'facepairs --help' for the verbs and their options."
    if isinstance(error, JobError) and error.kind in _USERS:
        return str(error).replace(f"{error.kind}: ", "", 1)
    known = (StoreError, SynthesizeError, JobError, WorkerDiedError, StoppedError, UnknownNameError)
    named = type(error).__name__ in {
        "AssetError",
        "ServerError",
        "SourceError",
        "ChainError",
        "PhotoSetError",
    }
    if isinstance(error, known) or named:
        return str(error)
    return _refused(error) if isinstance(error, OSError) else None


def main(arguments: list[str] | None = None) -> None:
    """Entry point. Exit code 2 for what the user can fix, told in one sentence; 130 after Ctrl-C."""
    try:
        code = app(
            arguments, exit_on_error=False, print_error=False, result_action="return_value",
        )  # fmt: skip
        sys.stdout.flush()  # here, where a reader that has gone is no error yet
    except KeyboardInterrupt:
        sys.exit(STOPPED)
    except BrokenPipeError:  # whoever reads our output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(UNREAD)
    except Exception as error:
        sentence = _sentence(error)
        if sentence is None:
            raise
        sys.stderr.write(f"facepairs: {sentence}\n")
        if isinstance(error, JobError) and os.environ.get("FACEPAIRS_TRACE"):
            sys.stderr.write(error.trace)
        sys.exit(BAD_INPUT)
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
