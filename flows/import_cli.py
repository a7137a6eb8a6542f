"""``facepairs assets import``: head models and textures of one's own copy of a published set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cyclopts import App
from rich.console import Console

from assets.registry import Entry
from flows.one_sentence import one_sentence

app = App(name="import", help="Convert your own copy of a published head model or texture set.")
_out = Console()


def _imported(make: Callable[..., Entry], *args: Any) -> None:
    entry = make(*args, lambda line: _out.print(line, highlight=False))
    _out.print(f"{entry.name}: {entry.bytes / 1e6:.1f} MB, {entry.licence}", highlight=False)
    _out.print(f"use it as: facepairs synthesize --heads {entry.name} …", highlight=False)


@app.command(name="ict-facekit")
@one_sentence
def ict_facekit(folder: Path, *, name: str = "ict") -> None:
    """ICT-FaceKit: the folder FaceXModel as published, all of it or some of its modes.

    Example: facepairs assets import ict-facekit ~/ICT-FaceKit/FaceXModel

    Parameters
    ----------
    folder
        FaceXModel, or the folder that holds it.
    name
        Name of the head in the ledger.
    """
    from flows.import_heads import import_ict

    _imported(import_ict, folder, name)
