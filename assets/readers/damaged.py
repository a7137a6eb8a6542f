"""Bytes of others that do not parse: whatever a library raises on them, as one sentence of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

MOST_WORDS = 120  # characters of a library's own message that are worth repeating


def told(error: BaseException) -> str:
    """Kind and message of an error in one short line, without what a file may have put into it to mislead a log."""
    words = "".join(c if c.isprintable() else " " for c in str(error))
    return f"{type(error).__name__}: {' '.join(words.split())[:MOST_WORDS]}".rstrip(": ")


@contextmanager
def damaged(what: str, fix: str, kind: type[Exception]) -> Iterator[None]:
    """Around the parsing of untrusted bytes, and nothing else: libraries raise anything on damaged ones.

    Args:
        what: beginning of the sentence, such as "'a.mat' is no MATLAB file".
        fix: end of it, what to type next.
        kind: the error of ours to raise; one that is of this kind already passes unchanged.
    """
    try:
        yield
    except kind:
        raise
    except Exception as error:
        msg = f"{what} ({told(error)}): {fix}."
        # A StopIteration as the cause would be mistaken for the end of this generator.
        raise kind(msg) from (None if isinstance(error, StopIteration) else error)
