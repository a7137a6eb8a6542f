"""Meshes as OBJ, PLY and GLB files, made as bytes: whoever writes them can write them whole or not at all.

Coordinates are millimetres. glTF counts in metres, so a GLB keeps the millimetres and scales its node.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt8

from models.geometry.light import decode_srgb
from models.geometry.normals import vertex_normals
from models.heads.linear import LinearHead

FORMATS = ("obj", "ply", "glb")
FLOAT, UNSIGNED = 5126, 5125  # component types of glTF
ARRAY, ELEMENTS = 34962, 34963  # buffer targets of glTF


@dataclass(frozen=True, eq=False)
class Mesh:
    """A surface with what it looks like: colours at its vertices, or a picture and an atlas (v up)."""

    vertices: Float[np.ndarray, "V 3"]  # mm
    faces: Int[np.ndarray, "F 3"]  # CCW seen from outside
    colours: UInt8[np.ndarray, "V 3"] | None = None  # sRGB
    uvs: Float[np.ndarray, "T 2"] | None = None
    face_uvs: Int[np.ndarray, "F 3"] | None = None
    texture: bytes | None = None  # PNG, row 0 is v = 1


def head_mesh(head: LinearHead, vertices: Float[np.ndarray, "V 3"], texture: bytes | None = None) -> Mesh:
    """A surface in a head's topology."""
    return Mesh(vertices, head.faces, uvs=head.uvs, face_uvs=head.face_uvs, texture=texture)


def mesh_files(name: str, mesh: Mesh, formats: tuple[str, ...]) -> dict[str, bytes]:
    """Files of a mesh by their names: ``name.obj`` with its material and picture, ``name.ply``, ``name.glb``."""
    files: dict[str, bytes] = {}
    for kind in formats:
        if kind == "obj":
            if mesh.texture is not None:
                files[f"{name}.texture.png"] = mesh.texture
                files[f"{name}.mtl"] = f"newmtl skin\nKd 1 1 1\nmap_Kd {name}.texture.png\n".encode()
            files[f"{name}.obj"] = obj_bytes(mesh, f"{name}.mtl" if mesh.texture is not None else "")
        elif kind == "ply":
            files[f"{name}.ply"] = ply_bytes(mesh)
        else:
            files[f"{name}.glb"] = glb_bytes(mesh)
    return files


def obj_bytes(mesh: Mesh, library: str = "") -> bytes:
    """Wavefront OBJ with normals; colours stand behind the positions, as most readers understand."""
    text = io.StringIO()
    if library:
        text.write(f"mtllib {library}\nusemtl skin\n")
    points = mesh.vertices if mesh.colours is None else np.hstack([mesh.vertices, mesh.colours / 255.0])
    np.savetxt(text, points, "v" + " %.4f" * points.shape[1])
    np.savetxt(text, vertex_normals(mesh.vertices, mesh.faces), "vn %.4f %.4f %.4f")
    corner = mesh.faces + 1
    if mesh.uvs is None or mesh.face_uvs is None:
        rows = np.repeat(corner, 2, axis=1)
        np.savetxt(text, rows, "f %d//%d %d//%d %d//%d")
    else:
        np.savetxt(text, mesh.uvs, "vt %.6f %.6f")
        rows = np.stack([corner, mesh.face_uvs + 1, corner], -1).reshape(-1, 9)
        np.savetxt(text, rows, "f %d/%d/%d %d/%d/%d %d/%d/%d")
    return text.getvalue().encode()


def ply_bytes(mesh: Mesh) -> bytes:
    """Binary little-endian PLY: positions, normals, and colours where the vertices have them."""
    fields: list[tuple[str, str]] = [(axis, "<f4") for axis in ("x", "y", "z", "nx", "ny", "nz")]
    if mesh.colours is not None:
        fields += [(channel, "u1") for channel in ("red", "green", "blue")]
    table = np.zeros(len(mesh.vertices), fields)
    values = [*mesh.vertices.T, *vertex_normals(mesh.vertices, mesh.faces).T]
    if mesh.colours is not None:
        values += [*mesh.colours.T]
    for (field, _), column in zip(fields, values, strict=True):
        table[field] = column
    triangles = np.zeros(len(mesh.faces), [("n", "u1"), ("corners", "<i4", 3)])
    triangles["n"], triangles["corners"] = 3, mesh.faces
    lines = ["ply", "format binary_little_endian 1.0", "comment millimetres", f"element vertex {len(table)}"]
    lines += [f"property {'float' if kind == '<f4' else 'uchar'} {name}" for name, kind in fields]
    lines += [f"element face {len(triangles)}", "property list uchar int vertex_indices", "end_header"]
    return ("\n".join(lines) + "\n").encode() + table.tobytes() + triangles.tobytes()


def glb_bytes(mesh: Mesh) -> bytes:
    """Binary glTF 2.0 of one mesh; vertices are split where the atlas is."""
    vertices, faces, extra = mesh.vertices, mesh.faces, {}
    normals = vertex_normals(mesh.vertices, mesh.faces)
    if mesh.uvs is not None and mesh.face_uvs is not None:
        pairs = np.stack([mesh.faces, mesh.face_uvs], -1).reshape(-1, 2)
        unique, index = np.unique(pairs, axis=0, return_inverse=True)
        vertices, normals, faces = vertices[unique[:, 0]], normals[unique[:, 0]], index.reshape(-1, 3)
        extra["TEXCOORD_0"] = (mesh.uvs[unique[:, 1]] * [1, -1] + [0, 1]).astype("<f4")  # v runs down
    elif mesh.colours is not None:
        # Colours of vertices are linear in glTF.
        linear = np.column_stack([decode_srgb(mesh.colours), np.ones(len(vertices))])
        extra["COLOR_0"] = linear.astype("<f4")
    book = _Book()
    attributes = {
        "POSITION": book.add(vertices.astype("<f4"), FLOAT, ARRAY, bounds=True),
        "NORMAL": book.add(_unit(normals).astype("<f4"), FLOAT, ARRAY),
        **{name: book.add(values, FLOAT, ARRAY) for name, values in extra.items()},
    }
    primitive: dict[str, Any] = {
        "attributes": attributes, "material": 0,
        "indices": book.add(faces.astype("<u4").reshape(-1), UNSIGNED, ELEMENTS),
    }  # fmt: skip
    surface: dict[str, Any] = {"metallicFactor": 0.0, "roughnessFactor": 0.7}
    document: dict[str, Any] = {
        "asset": {"version": "2.0", "generator": "facepairs"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "scale": [0.001] * 3}],
        "meshes": [{"primitives": [primitive]}],
        "materials": [{"pbrMetallicRoughness": surface, "doubleSided": True}],
    }
    if mesh.texture is not None and "TEXCOORD_0" in extra:
        document["images"] = [{"bufferView": book.put(mesh.texture), "mimeType": "image/png"}]
        document["samplers"], document["textures"] = [{}], [{"source": 0, "sampler": 0}]
        surface["baseColorTexture"] = {"index": 0}
    document |= {
        "accessors": book.accessors, "bufferViews": book.views, "buffers": [{"byteLength": len(book.data)}],
    }  # fmt: skip
    text = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    chunks = b"".join(
        len(body).to_bytes(4, "little") + kind + body
        for kind, body in ((b"JSON", text), (b"BIN\0", bytes(book.data)))
    )
    return b"glTF" + (2).to_bytes(4, "little") + (12 + len(chunks)).to_bytes(4, "little") + chunks


class _Book:
    """The buffer of a glTF file, with its views and accessors."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[Mapping[str, int]] = []
        self.accessors: list[Mapping[str, Any]] = []

    def put(self, body: bytes, target: int = 0) -> int:
        """Append bytes; number of their view."""
        view = {"buffer": 0, "byteOffset": len(self.data), "byteLength": len(body)}
        self.views.append(view | ({"target": target} if target else {}))
        self.data += body + bytes(-len(body) % 4)
        return len(self.views) - 1

    def add(self, values: np.ndarray, component: int, target: int, bounds: bool = False) -> int:
        """Append an array; number of its accessor."""
        kind = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4"}[1 if values.ndim == 1 else values.shape[1]]
        accessor: dict[str, Any] = {
            "bufferView": self.put(values.tobytes(), target), "componentType": component, "count": len(values),
            "type": kind,
        }  # fmt: skip
        if bounds:
            accessor |= {"min": values.min(0).tolist(), "max": values.max(0).tolist()}
        self.accessors.append(accessor)
        return len(self.accessors) - 1


def _unit(normals: Float[np.ndarray, "V 3"]) -> Float[np.ndarray, "V 3"]:
    """Normals of length one, as glTF demands, also at vertices that no triangle has."""
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.where(length > 0.5, normals, np.array([0, 0, 1], normals.dtype))
