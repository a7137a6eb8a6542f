"""A handful of pairs as data for the page's 3-D viewer (``viewer.js``): quantised meshes, pictures, what these show.

Numbers are packed so that a mesh of 45,000 vertices costs a fifth of a megabyte of text: differences between
neighbours, their bytes in planes, deflated, base64. The browser undoes it with what it has.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import jinja2
import numpy as np

from models.geometry.camera import cube_to_pixel
from models.geometry.normals import vertex_normals
from storage.index import COMMITTED
from storage.schema import NO_DEPTH
from storage.store import Store
from tasks.decode import MeshReader, relief_file

Array = np.ndarray[Any, np.dtype[Any]]

SCRIPT = Path(__file__).with_name("viewer.js")
TEMPLATE = Path(__file__).with_name("viewer.html")
BITS, SPAN = (
    13,
    1.5,
)  # a coordinate in [-SPAN, SPAN] cube units on 2^BITS steps: 0.05 mm for a head that fills the cube
NEAR = 0.03  # cube units within which a vertex is the surface that the picture saw
PAIRS = 5


def viewer_data(store: Store, keys: Sequence[str]) -> dict[str, Any] | None:
    """What ``viewer.js`` draws, JSON-able; None when the store's snapshot holds no meshes.

    Args:
        store: the store.
        keys: committed pairs to show.
    """
    heads = {store.plan.row(key).head for key in keys}
    if not keys or not all(relief_file(head) in store.description["snapshot"] for head in heads):
        return None
    reader = MeshReader(store)
    topologies: dict[str, Any] = {}
    pairs = []
    for key in keys:
        row, mesh = store.plan.row(key), reader.read(key)
        fields = store.read(key, ("image", "depth", "mask"))
        faces = np.asarray(mesh.head.faces)
        topologies.setdefault(row.head, {"count": faces.size, "faces": pack(faces.reshape(1, -1), 32)})
        steps = np.rint((np.clip(mesh.vertices, -SPAN, SPAN) + SPAN) / (2 * SPAN) * (2**BITS - 1))
        seen = _seen(mesh.vertices, faces, fields["depth"], fields["mask"])
        pairs.append(
            {
                "key": key, "head": row.head, "yaw": round(row.yaw), "texture": row.texture,
                "vertices": pack(steps.T.astype(np.int64), 16), "seen": pack(seen[None].astype(np.int64), 16),
                "count": len(mesh.vertices), "image": _webp(fields["image"]),
            }
        )  # fmt: skip
    return {"span": SPAN, "steps": 2**BITS - 1, "heads": topologies, "pairs": pairs}


def viewer_section(data: Mapping[str, Any]) -> str:
    """The viewer as a piece of HTML, with everything in it."""
    page = jinja2.Environment(autoescape=True, trim_blocks=True).from_string(TEMPLATE.read_text())
    told = json.dumps(data).replace("<", "\\u003c")  # no text of a store may end the script element
    return page.render(data=told, script=SCRIPT.read_text())


def spread_keys(store: Store, count: int = PAIRS) -> list[str]:
    """Committed pairs whose yaws are spread evenly over those that the store has, from left to right."""
    rows = [
        row.key for shard in store.commits() for row in store.index_rows(shard) if row.status == COMMITTED
    ]
    by_yaw = sorted(rows, key=lambda key: (store.plan.row(key).yaw, key))
    if len(by_yaw) <= count:
        return by_yaw
    return [by_yaw[round((k + 0.5) * len(by_yaw) / count - 0.5)] for k in range(count)]


def pack(rows: Array, bits: int) -> str:
    """Integers (K, N), each row as differences in zigzag form, as text; ``bits`` is 16 or 32.

    Inverse: :func:`unpack`, and ``unpack`` of ``viewer.js``.
    """
    steps = np.diff(rows, axis=1, prepend=0).reshape(-1)
    zigzag = np.where(steps < 0, -2 * steps - 1, 2 * steps).astype(f"<u{bits // 8}")
    planes = zigzag.view(np.uint8).reshape(-1, bits // 8).T
    return base64.b64encode(zlib.compress(np.ascontiguousarray(planes).tobytes(), 9)).decode()


def unpack(text: str, rows: int, bits: int) -> Array:
    """The integers (rows, N) that :func:`pack` got."""
    planes = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8).reshape(bits // 8, -1)
    zigzag = np.ascontiguousarray(planes.T).view(f"<u{bits // 8}").astype(np.int64).reshape(rows, -1)
    return np.cumsum(np.where(zigzag % 2, -(zigzag + 1) // 2, zigzag // 2), axis=1)


def _seen(vertices: Array, faces: Array, depth: Array, mask: Array) -> Array:
    """0..255 per vertex: how surely the picture shows it: in the new face, at the front, turned to the viewer."""
    side = len(depth)
    normals = vertex_normals(vertices, faces)
    x, y = cube_to_pixel(vertices[:, :2], side).T
    column, row = (np.clip(np.floor(v), 0, side - 1).astype(int) for v in (x, y))
    front = depth[row, column]
    near = (front != NO_DEPTH) & (np.abs(front - vertices[:, 2]) < NEAR)
    inside = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), side / 128)[row, column]
    return np.where(near, inside * np.clip(normals[:, 2] * 2.5, 0, 1) * 255, 0).round()


def _webp(picture: Array) -> str:
    _, data = cv2.imencode(".webp", picture[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, 90])
    return "data:image/webp;base64," + base64.b64encode(data.tobytes()).decode()
