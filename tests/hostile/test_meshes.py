"""Meshes, atlases and landmarks that are wrong, degenerate, or name what they should not."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import trimesh  # noqa: F401  (once here, and not in every child)
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.readers.marks import read_marks
from assets.readers.mesh import read_scan, read_surface
from assets.readers.obj import read_obj
from assets.registry import AssetError
from tests.hostile import bombs
from tests.hostile.mutations import ended, mutated

TRIANGLE = b"v 0 0 0\nv 1 0 0\nv 0 1 0\n"
OBJS = {
    "empty": b"",
    "binary": bytes(range(256)) * 8,
    "nul": b"v 0 0 0\0\nf 1 1 1\n",
    "nan": b"v 0 0 nan\nv 1 0 0\nv 0 1 0\nf 1 2 3\n",
    "infinite": b"v 0 0 1e999\nv 1 0 0\nv 0 1 0\nf 1 2 3\n",
    "vertex-of-two": b"v 0 0\nv 1 0\nv 0 1\nf 1 2 3\n",
    "corner-beyond": TRIANGLE + b"f 1 2 4\n",
    "corner-zero": TRIANGLE + b"f 0 1 2\n",
    "corner-too-negative": TRIANGLE + b"f -4 -2 -1\n",
    "corner-wraps-32-bits": TRIANGLE + b"f 1 2 4294967299\n",
    "corner-of-30-digits": TRIANGLE + b"f 1 2 " + b"9" * 30 + b"\n",
    "corner-of-6000-digits": TRIANGLE + b"f 1 2 " + b"9" * 6000 + b"\n",
    "corner-of-words": TRIANGLE + b"f a b c\n",
    "corner-of-slashes": TRIANGLE + b"f / / /\n",
    "uv-nan": TRIANGLE + b"vt nan 0\nvt 0 1\nvt 1 1\nf 1/1 2/2 3/3\n",
    "uv-beyond": TRIANGLE + b"vt 0 0\nvt 0 1\nvt 1 1\nf 1/1 2/2 3/9\n",
    "uv-too-negative": TRIANGLE + b"vt 0 0\nvt 0 1\nvt 1 1\nf 1/-9 2/-9 3/-9\n",
    "invalid-utf8": b"v \xff\xfe 0 0\nf 1 1 1\n",
}
SOUND: set[tuple[str, str]] = set()  # what one reader takes for an error, another may know
READERS: dict[str, Callable[[Path], object]] = {
    "read_scan": read_scan,
    "read_obj": read_obj,
    "read_surface": read_surface,
}


@pytest.mark.parametrize("reader", READERS)
def test_a_hostile_obj_is_refused(reader, tmp_path, confined):
    def each() -> str:
        for name, data in OBJS.items():
            path = tmp_path / f"{name}.obj"
            path.write_bytes(data)
            _, told = ended(partial(READERS[reader], path), AssetError)
            if (reader, name) in SOUND:
                assert not told
                continue
            assert path.name in told, (name, told)
            assert "\n" not in told, (name, told)
            assert told.endswith("."), (name, told)
        return "all told"

    outcome = confined(each, may_write=tmp_path)
    outcome.quiet()
    assert outcome.text == "all told", outcome.trace


@pytest.mark.parametrize("reader", READERS)
def test_a_huge_obj_is_refused_unread(reader, tmp_path, confined):
    path = tmp_path / "a.obj"
    with path.open("wb") as file:
        file.truncate(40_000_000_000)  # no bytes on the disk
    confined(lambda: READERS[reader](path)).refused("a.obj", "at most")


def ply(header: str, body: bytes = b"") -> bytes:
    return f"ply\nformat binary_little_endian 1.0\n{header}end_header\n".encode() + body


XYZ = "property float x\nproperty float y\nproperty float z\n"
LIST = "property list uchar int vertex_indices\n"
PLYS = {
    "no-end": b"ply\nformat ascii 1.0\nelement vertex 3\n",
    "count-huge": ply(f"element vertex 99999999999\n{XYZ}"),
    "count-negative": ply(f"element vertex -5\n{XYZ}"),
    "count-is-words": ply(f"element vertex many\n{XYZ}"),
    "faces-huge": ply(f"element vertex 1\n{XYZ}element face 4000000000\n{LIST}", bytes(12)),
    "element-without-properties": ply("element nothing 4000000000\n"),
    "list-of-floats": ply("element face 1\nproperty list float int vertex_indices\n", bytes(64)),
    "list-huge": ply("element face 1\nproperty list uint int vertex_indices\n", b"\xff\xff\xff\xff"),
    "other-file": ply(f"comment TextureFile ../../secret.png\nelement vertex 1\n{XYZ}", bytes(12)),
    "points": ply(f"element vertex 2\n{XYZ}", bytes(24)),
    "ascii-list": b"ply\nformat ascii 1.0\nelement vertex 1\nproperty list uchar float x\nend_header\n200 1\n",
}  # fmt: skip


@pytest.mark.parametrize("name", PLYS)
def test_a_hostile_ply_is_refused(name, tmp_path, confined):
    path = tmp_path / "inside" / f"{name}.ply"
    path.parent.mkdir()
    path.write_bytes(PLYS[name])
    confined(lambda: read_scan(path)).refused(path.name)


def glb(body: object, held: bytes = b"") -> bytes:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    text += b" " * (-len(text) % 4)
    parts = struct.pack("<I4s", len(text), b"JSON") + text
    if held:
        parts += struct.pack("<I4s", len(held), b"BIN\0") + held
    return struct.pack("<4sII", b"glTF", 2, 12 + len(parts)) + parts


def mesh(accessors: list[dict[str, object]], held: bytes = b"", **more: object) -> bytes:
    body = {
        "asset": {"version": "2.0"},
        "buffers": [{"byteLength": len(held)}],
        "bufferViews": [{"buffer": 0, "byteLength": len(held)}],
        "accessors": accessors,
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
        "nodes": [{"mesh": 0}],
        "scenes": [{"nodes": [0]}],
        "scene": 0,
    }
    return glb(body | more, held)


POSITIONS = {"count": 3, "componentType": 5126, "type": "VEC3", "bufferView": 0}
CORNERS = {"count": 3, "componentType": 5125, "type": "SCALAR", "bufferView": 0}
SHAPES = bytes(36)
GLBS = {
    "short": b"glTF",
    "no-json": struct.pack("<4sII", b"glTF", 2, 12),
    "json-longer-than-file": struct.pack("<4sIII4s", b"glTF", 2, 99, 2**31, b"JSON"),
    "json-is-a-list": glb([]),
    "json-deep": glb(b"[" * 200_000),
    "json-not-utf8": glb(b"{\xff\xff}"),
    "count-without-bytes": mesh([{"count": 10**11, "componentType": 5126, "type": "MAT4"}, CORNERS], SHAPES),
    "count-negative": mesh([POSITIONS | {"count": -3}, CORNERS], SHAPES),
    "count-is-text": mesh([POSITIONS | {"count": "3"}, CORNERS], SHAPES),
    "count-is-nan": glb(b'{"accessors": [{"count": NaN}]}'),
    "type-unknown": mesh([POSITIONS | {"componentType": 9}, CORNERS], SHAPES),
    "view-beyond": mesh([POSITIONS | {"bufferView": 7}, CORNERS], SHAPES),
    "other-buffer": mesh([POSITIONS, CORNERS], SHAPES, buffers=[{"uri": "../../../etc/passwd", "byteLength": 36}]),
    "other-picture": mesh([POSITIONS, CORNERS], SHAPES, images=[{"uri": "file:///etc/passwd"}]),
    "picture-bomb": mesh(
        [POSITIONS, CORNERS], bombs.png_of(40_000, 40_000), images=[{"bufferView": 0, "mimeType": "image/png"}]
    ),
    "picture-beyond": mesh([POSITIONS, CORNERS], SHAPES, images=[{"bufferView": 3}]),
    "many-nodes": mesh([POSITIONS, CORNERS], SHAPES, nodes=[{"mesh": 0}] * 20_000),
    "nodes-in-a-ring": mesh(
        [POSITIONS, CORNERS], SHAPES, nodes=[{"children": [1], "mesh": 0}, {"children": [0], "mesh": 0}]
    ),
    "corners-beyond": mesh([POSITIONS, CORNERS], struct.pack("<9I", *[2**31] * 9)),
}  # fmt: skip


@pytest.mark.parametrize("name", GLBS)
def test_a_hostile_glb_is_refused(name, tmp_path, confined):
    path = tmp_path / f"{name}.glb"
    path.write_bytes(GLBS[name])
    confined(lambda: read_scan(path)).refused(path.name)


def surface(bend: Callable[[np.ndarray], np.ndarray] = lambda v: v, faces: np.ndarray | None = None) -> bytes:
    """An OBJ of a grid of 1152 triangles."""
    side = 25
    y, x = np.divmod(np.arange(side * side), side)
    points = bend(np.stack([x, y, np.zeros_like(x)], 1).astype(float))
    at = np.arange((side - 1) * side).reshape(-1, side)[:, :-1].ravel()
    grid = np.concatenate(
        [np.stack([at, at + 1, at + side], 1), np.stack([at + 1, at + side + 1, at + side], 1)]
    )
    lines = ["v {} {} {}".format(*p) for p in points]
    lines += ["f {} {} {}".format(*f) for f in (grid if faces is None else faces) + 1]
    return "\n".join(lines).encode()


def test_degenerate_and_non_manifold_surfaces_end_in_a_sentence_or_a_mesh(tmp_path, confined):
    path = tmp_path / "a.obj"
    path.write_bytes(surface(lambda v: v * 0))
    confined(lambda: read_scan(path)).refused("0 triangles", "a.obj")
    path.write_bytes(surface(lambda v: v * 1e200))
    confined(lambda: read_scan(path)).refused("not finite", "a.obj")
    path.write_bytes(
        surface(faces=np.tile([[0, 1, 25]], (1200, 1)))
    )  # one triangle 1200 times, all edges too often
    outcome = confined(lambda: len(read_scan(path).faces))
    outcome.quiet()
    assert outcome.text == "1200"


def test_a_material_leads_nowhere_else(tmp_path, confined):
    inside, secret = tmp_path / "inside", tmp_path / "secret.png"
    inside.mkdir()
    secret.write_bytes(bombs.png())
    uvs = "\n".join(["vt 0 0"] * 3)
    faces = "\n".join(f"f {a}/1 {a + 1}/2 {a + 25}/3" for a in range(1, 600) if a % 25)
    grid = "\n".join(f"v {i % 25} {i // 25} {i % 3}" for i in range(625)) + "\n"
    text = f"mtllib a.mtl\n{grid}{uvs}\n{faces}\n{faces}\n"
    (inside / "a.obj").write_text(text)
    (inside / "a.mtl").write_text(f"map_Kd ../secret.png\nmap_Kd {secret}\nmap_Kd ..\nmap_Kd .\n")
    outcome = confined(lambda: read_scan(inside / "a.obj").image is None)
    outcome.quiet()
    assert outcome.text == "True", outcome.trace
    (inside / "a.png").write_bytes(bombs.png_of(60_000, 60_000))
    confined(lambda: read_scan(inside / "a.obj")).refused("texture of 'a.obj'", "Mpx")


MARKS = {
    "deep.json": b"[" * 100_000,
    "huge.json": b"[" + b"9" * 5000 + b"]",
    "large-numbers.json": b"[[" + b"9" * 400 + b", 1, 2]]",
    "empty-groups.ljson": b'{"groups": {}}',
    "groups-list.ljson": b'{"groups": [1]}',
    "labels.ljson": b'{"landmarks": {"points": [[1,2,3]]}, "labels": [1]}',
    "twice.ljson": b'{"landmarks": 1, "landmarks": 2}',
    "latin.txt": b"\xe9\xff 1 2\n",
    "empty.npy": b"",
    "cut.npy": bombs.npy_header("(68, 3)"),
    "huge.npy": bombs.npy_header("(1000000000000, 3)"),
    "negative.npy": bombs.npy_header("(-68, -3)"),
    "objects.npy": bombs.npy_header("(68, 3)", "|O") + b"cos\nsystem\n(S'true'\ntR.",
    "header.npy": b"\x93NUMPY\x01\0\x20\0" + b"(" * 32,
    "words.txt": b"one two three\n" * 68,
}


@pytest.mark.parametrize("name", MARKS)
def test_hostile_landmarks_are_refused(name, tmp_path, confined):
    (tmp_path / name).write_bytes(MARKS[name])
    confined(lambda: read_marks(tmp_path / name)).refused(name)


@pytest.mark.parametrize("reader", READERS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_mutated_objs_are_meshes_or_sentences(reader, data, tmp_path_factory):
    path = tmp_path_factory.mktemp("obj") / "a.obj"
    path.write_bytes(data.draw(mutated(surface())))
    got, told = ended(partial(READERS[reader], path), AssetError)
    assert "a.obj" in told or np.isfinite(got.vertices).all()
