"""Open the weights of a swap network, or say in one sentence how to get them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from assets.registry import AssetError

Network = TypeVar("Network")


def open_weights(weights: Path, kind: str, load: Callable[[Path, str], Network], device: str) -> Network:
    """The network of a weight file that ``facepairs train-swap KIND`` wrote.

    Raises:
        AssetError: the file is missing, or holds another network's tensors.
    """
    command = f"'facepairs train-swap {kind} --photos DIR --out DIR --ship'"
    if not weights.is_file():
        msg = (
            f"the {kind} weights '{weights.name}' are missing; restore the file from the repository, or make it "
            f"with {command}."
        )
        raise AssetError(msg)
    try:
        return load(weights, device)
    except (RuntimeError, KeyError, ValueError, OSError) as error:
        msg = (
            f"'{weights.name}' does not hold the {kind} network's tensors ({type(error).__name__}); make it again "
            f"with {command}."
        )
        raise AssetError(msg) from error
