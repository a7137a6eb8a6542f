"""An asset error is the user's to fix: its sentence on stderr and exit code 2, no traceback."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from assets.registry import AssetError

P = ParamSpec("P")


def one_sentence(verb: Callable[P, None]) -> Callable[P, None]:
    """The verb of a command line, with :class:`AssetError` told in a sentence."""

    @wraps(verb)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            verb(*args, **kwargs)
        except AssetError as error:
            sys.stderr.write(f"facepairs: {error}\n")
            raise SystemExit(2) from None

    return run
