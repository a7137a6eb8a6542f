"""Head files: one ``.npz`` for a linear head, and beside it a ``.npy`` with the core for a bilinear one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from models.heads.bilinear import BilinearHead
from models.heads.linear import LinearHead, head_fields

CORE = ".core.npy"  # suffix of the core's file, in place of ``.npz``


def core_file(head: Path) -> Path:
    """Where the core of a head file is, if it has one."""
    return head.with_name(head.name.removesuffix(".npz") + CORE)


def load_head(path: Path | str) -> LinearHead:
    """Read a head file; a bilinear core is mapped, not read, so that all processes of a machine share it.

    Raises:
        ValueError: not a head file of a version this code reads, or a core that does not belong to it.
    """
    path = Path(path)
    given, data = head_fields(path)
    if "identity_mean" not in data:
        return LinearHead(**given)
    file = core_file(path)
    try:
        core = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        msg = (
            f"the core of head '{given['name']}' at {file} cannot be read ({error}); import the model again."
        )
        raise ValueError(msg) from None
    shape = (len(given["exp_names"]) + 1, len(given["mean"]), 3, len(data["identity_mean"]))
    if core.shape != shape or core.dtype != np.float32:
        msg = (
            f"the core at {file} is {core.dtype} {core.shape}, head '{given['name']}' needs float32 {shape}; import "
            f"the model again."
        )
        raise ValueError(msg)
    prior = {name: data[name].astype(np.float32) for name in ("identity_mean", "identity_std")}
    return BilinearHead(**given, core=core, **prior)


def provenance(path: Path) -> dict[str, object]:
    """What a head file says of where it comes from, without loading its arrays."""
    with np.load(path, allow_pickle=False) as archive:
        return dict(json.loads(str(archive["header"]))["provenance"])
