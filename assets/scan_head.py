"""From a registered scan to a head file: the person becomes the mean, the model's modes stay around it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from jaxtyping import Float
from scipy import sparse

from models.heads.register import Registered
from models.heads.subdivide import CatmullClark


def control_matrix(head_file: Path) -> sparse.csr_matrix:
    """How the vertices of a head follow its control mesh, (V, C).

    Raises:
        ValueError: the file has no control mesh.
    """
    with np.load(head_file, allow_pickle=False) as archive:
        if "polygons" not in archive.files:
            msg = f"{head_file} has no control mesh; register to a head that `facepairs assets build` made."
            raise ValueError(msg)
        return CatmullClark.of(archive["polygons"]).matrix


def write_head(out: Path, base: Path, name: str, made: Registered, source: dict[str, str]) -> None:
    """Write the head file of a scanned person; identity 0 is the person without expression.

    Its provenance keeps the expression of the scan and the way from the scan's frame to the head's, so that
    ``vertices(0, expression)`` is the scan again.

    Args:
        out: file to write.
        base: head file of the model that was registered.
        name: of the new head.
        made: the registration.
        source: file, licence and attribution of the scan.
    """
    with np.load(base, allow_pickle=False) as archive:
        data = {key: archive[key] for key in archive.files}
    data["mean"] = neutral(data, made)
    header = json.loads(str(data["header"]))
    move = made.fit.into_head
    header["name"] = name
    header["provenance"] = {
        "scan": source | {"expression": [round(float(e), 5) for e in made.fit.expression]},
        "into_head": {
            "scale": float(move.scale),
            "rotation": move.rotation.tolist(),
            "translation": move.translation.tolist(),
        },
        "model": header["provenance"],
        "residual_mm": {"rms": round(made.rms, 4), "p95": round(made.tail, 4)},
    }
    data["header"] = np.array(json.dumps(header, sort_keys=True))
    np.savez_compressed(out, allow_pickle=False, **data)


def neutral(data: dict[str, np.ndarray], made: Registered) -> Float[np.ndarray, "C 3"]:
    """Control mesh of the person without the scan's expression."""
    moves = np.tensordot(made.fit.identity, data["id_basis"].astype(np.float64), 1)
    return (data["mean"] + moves + made.displacement).astype(np.float32)
