"""Weights that somebody else may have written: whatever does not fit becomes one sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from models.networks.bisenet import WeightsError

Net = TypeVar("Net", bound=nn.Module)
MOST_WIDTH = 512  # channels that a file may ask a network to be made with; ours have 24 to 48


@contextmanager
def fitting(what: str, fix: str) -> Iterator[None]:
    """Around the reading of weights and the making of networks from them.

    Args:
        what: beginning of the sentence, such as "the weights of row 'base'".
        fix: end of it, what to type next.

    Raises:
        ValueError: as the body raises it, or because of anything else that the file's content led to.
    """
    try:
        yield
    except ValueError:
        raise
    except Exception as error:  # safetensors and torch raise anything on damaged files
        words = " ".join(str(error).split())[:160]
        msg = f"{what} do not fit ({type(error).__name__}: {words}); {fix}."
        raise WeightsError(msg) from error


def width_of(tensors: Mapping[str, Tensor], name: str) -> int:
    """Channels of a network by its last layer.

    Raises:
        WeightsError: the file has no such layer, or a width that no network of ours has.
    """
    width = tensors[name].shape[0] if name in tensors and tensors[name].ndim else 0
    if not 0 < width <= MOST_WIDTH:
        msg = (
            f"the weights have {width} channels in '{name}', 1 to {MOST_WIDTH} are read; get the file again."
        )
        raise WeightsError(msg)
    return width


def swap_network(path: Path, make: Callable[..., Net], last: str, device: str) -> Net:
    """A completion or inpainting network with its weights (safetensors), channels last.

    Args:
        path: the file.
        make: the network of a ``width``.
        last: the tensor whose first side is that width.
        device: where it runs.

    Raises:
        ValueError: the file is damaged, or of another network.
    """
    with fitting(f"the weights of {path}", "get the file again"):
        tensors = load_file(path)
        net = make(width=width_of(tensors, last))
        net.load_state_dict({k: v.float() for k, v in tensors.items()}, strict=True)
    return net.eval().to(device, memory_format=torch.channels_last)


def text_of(config: Mapping[str, Any], key: str, known: Mapping[str, Any]) -> str:
    """A choice that a model's configuration makes.

    Raises:
        WeightsError: it makes none of those known.
    """
    value = config.get(key)
    if not isinstance(value, str) or value not in known:
        msg = f"the model's configuration has {key} {value!r:.40}; there are {', '.join(known)}: train it again."
        raise WeightsError(msg)
    return value
