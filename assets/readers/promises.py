"""What a PLY or GLB promises, checked before and after a library reads it.

The library allocates what headers say, copies a mesh for every node that shows it, and opens pictures and other files
that are named within. Format: glTF 2.0 §3.6 and §4.4, and the PLY of Turk (1994).
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from assets.readers.photo import DecodeLimits, header_refusal

MOST_JSON = 64_000_000  # bytes of a GLB's description; a face scan's has a few thousand
MOST_HEADER = 100_000  # bytes of a PLY's header
MOST_NODES = 10_000  # of a scene; a scan has one
TEXTURE = DecodeLimits(min_side=1, max_megapixels=80.0)  # as photographs
_JSON, _BIN = 0x4E4F534A, 0x004E4942


class BesideOnly:
    """Files that a mesh names: by their last name, from its own folder, and no large ones."""

    MOST = 640_000_000  # bytes of a picture (assets.readers.members)

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, name: str) -> bytes:
        """The bytes of a file.

        Raises:
            ValueError: not beside the mesh, or no picture that may be decoded.
        """
        path = self.folder / Path(name.strip().replace("\\", "/")).name
        if not path.is_file() or path.stat().st_size > self.MOST:
            msg = f"it names '{name[:80]}', which is no file beside it"
            raise ValueError(msg)
        data = path.read_bytes()
        _check_picture(data)
        return data


def check_ply(data: bytes, triangles: int) -> None:
    """Refuse a PLY whose header promises more than its bytes can hold.

    Raises:
        ValueError: it does, or it has no whole header.
    """
    end = data.find(b"end_header", 0, MOST_HEADER)
    if not data.startswith(b"ply") or end < 0:
        msg = f"no header of a PLY within {MOST_HEADER} bytes"
        raise ValueError(msg)
    for line in data[:end].decode("utf-8").splitlines():
        word, *rest = line.split() or [""]
        if word == "element":
            count = int(rest[1])
            if not 0 <= count <= min(len(data) - end, 3 * triangles):
                msg = f"{count} of '{rest[0][:40]}' promised in {len(data)} bytes"
                raise ValueError(msg)
        elif (
            word == "property"
            and rest[:1] == ["list"]
            and rest[1] in ("float", "double", "float32", "float64")
        ):
            msg = f"a list whose length is a {rest[1]}"
            raise ValueError(msg)


def check_glb(data: bytes, triangles: int) -> None:
    """Refuse a GLB that names other files, promises more than it holds, or has pictures that are too large.

    Raises:
        ValueError: it does, or it is no GLB. KeyError, TypeError, IndexError, RecursionError: its description is none.
    """
    body, held = _chunks(data)
    if not isinstance(body, dict):
        msg = "its description is no object"
        raise ValueError(msg)
    if len(body.get("nodes", ())) > MOST_NODES or len(body.get("accessors", ())) > MOST_NODES:
        msg = f"more than {MOST_NODES} nodes or arrays"
        raise ValueError(msg)
    for item in (*body.get("buffers", ()), *body.get("images", ())):
        uri = str(item.get("uri", ""))
        if uri and not uri.startswith("data:"):
            msg = f"it names another file, '{uri[:80]}'"
            raise ValueError(msg)
    stored = len(data)
    total = 0
    for accessor in body.get("accessors", ()):
        count = accessor["count"]
        if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= stored:
            msg = f"an array of {str(count)[:20]} items in {stored} bytes"
            raise ValueError(msg)
        total += count
    if total > 30 * triangles:
        msg = f"arrays of {total} items"
        raise ValueError(msg)
    pictures = list(_pictures(body, held))
    for picture in pictures:  # several may be laid out into one
        _check_picture(picture, TEXTURE.max_megapixels / len(pictures))


def check_scene(loaded: Any, triangles: int) -> None:
    """Refuse a scene whose nodes show more triangles in all than are read.

    Raises:
        ValueError: they do.
    """
    graph = getattr(loaded, "graph", None)
    if graph is None:
        return
    total = sum(len(getattr(loaded.geometry[graph[node][1]], "faces", ())) for node in graph.nodes_geometry)
    if total > triangles:
        msg = f"its nodes show {total} triangles, at most {triangles} are read"
        raise ValueError(msg)


def _chunks(data: bytes) -> tuple[Any, bytes]:
    """Description and binary part of a GLB."""
    magic, version, _ = struct.unpack_from("<4sII", data)
    if magic != b"glTF" or version != 2:
        msg = f"no GLB of version 2 ({version})"
        raise ValueError(msg)
    at, body, held = 12, None, b""
    while at + 8 <= len(data):
        size, kind = struct.unpack_from("<II", data, at)
        part = data[at + 8 : at + 8 + size]
        if len(part) != size or (kind == _JSON and size > MOST_JSON):
            msg = f"a part of {size} bytes where {len(part)} are left, at most {MOST_JSON} of description"
            raise ValueError(msg)
        if kind == _JSON and body is None:
            body = json.loads(part)
        elif kind == _BIN and not held:
            held = part
        at += 8 + size
    return body, held


def _pictures(body: dict[str, Any], held: bytes) -> Iterator[bytes]:
    """Bytes of every picture."""
    for image in body.get("images", ()):
        if "bufferView" in image:
            view = body["bufferViews"][image["bufferView"]]
            if view.get("buffer", 0) != 0 or "uri" in body["buffers"][0]:
                msg = "a picture outside its binary part"
                raise ValueError(msg)
            start = view.get("byteOffset", 0)
            yield held[start : start + view["byteLength"]]
        elif "uri" in image:
            yield base64.b64decode(str(image["uri"]).partition("base64,")[2])


def _check_picture(data: bytes, megapixels: float = TEXTURE.max_megapixels) -> None:
    if (refused := header_refusal(data, DecodeLimits(1, megapixels))) is not None:
        msg = f"its picture: {refused.detail}"
        raise ValueError(msg)
