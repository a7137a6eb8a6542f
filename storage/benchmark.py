"""A benchmark on disk: images, their parsings and their true meshes, each known by its SHA-256.

    BENCH/benchmark.json            sealed: every case with its pose and the hashes of its files
    BENCH/images/<key>.png          uint8 (R, R, 3), sRGB
    BENCH/semantic/<key>.png        uint8 (R, R), CelebAMask classes as a parser sees them in the image
    BENCH/label/<key>.png           the same as the true mesh has them inside the face
    BENCH/meshes/<key>.npy          float32 (V, 3), cube frame
    BENCH/topology/<name>.npz       faces int32 (F, 3); counted bool (F,): the triangles whose error counts

The manifest is written last, so a folder that has one is whole. Its ``digest`` names the benchmark: two folders with
one digest hold the same bytes.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from storage.errors import CorruptStore, StoreError
from storage.files import canonical_json, read_sealed, seal, sha256_bytes, write_replace
from storage.schema import PAIR_FIELDS, decode, decode_npy, encode
from storage.untrusted import MAX_FIELD, plain_file, plain_name, saying

MANIFEST, VERSION = "benchmark.json", 1
FILES = {
    "image": "images/{}.png", "semantic": "semantic/{}.png", "label": "label/{}.png", "mesh": "meshes/{}.npy",
}  # fmt: skip
_IMAGE, _SEMANTIC = (next(f for f in PAIR_FIELDS if f.name == name) for name in ("image", "semantic"))

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Case:
    """One image with its true mesh."""

    key: str  # "0000"
    group: str  # "wild" for images in photographs, "scan" for renders of a scan
    yaw: float  # degrees (models.geometry.camera)
    kind: str  # "inside" the head model's linear space, or what took the head out of it
    remainder: float  # mm rms in the face after the best linear fit; 0 inside
    topology: str
    scale: float  # of the pose: cube = scale * rotation @ head + (tx, ty, 0), head in mm
    rotation: tuple[tuple[float, ...], ...]
    translation: tuple[float, ...]
    sources: Mapping[str, str]  # what it was made from, by name
    sha256: Mapping[str, str]  # by name of FILES


@dataclass(frozen=True, eq=False)
class Topology:
    """Triangles that several meshes share."""

    faces: Array  # int32 (F, 3)
    counted: Array  # bool (F,)


@dataclass(frozen=True, eq=False)
class Benchmark:
    """A whole benchmark.

    Raises:
        StoreError: the folder is none.
        CorruptStore: a file is not what was written.
    """

    root: Path
    cases: tuple[Case, ...]
    topologies: Mapping[str, str]  # name -> sha256
    digest: str

    @staticmethod
    def open(root: Path) -> Benchmark:
        """Read the manifest; files are checked when they are read, or all at once by :meth:`problems`."""
        path = root / MANIFEST
        if not path.is_file():
            msg = (
                f"{root} is no benchmark: it has no {MANIFEST}; make one with `facepairs bench build {root}`."
            )
            raise StoreError(msg)
        body = read_sealed(path)
        if body.get("version") != VERSION:
            msg = (
                f"{path} is a benchmark of version {body.get('version')}, this code reads {VERSION}; build it again "
                f"with `facepairs bench build`."
            )
            raise StoreError(msg)
        with saying(str(path)):
            cases = tuple(
                Case(
                    **{
                        **c,
                        "rotation": tuple(map(tuple, c["rotation"])),
                        "translation": tuple(c["translation"]),
                    }
                )
                for c in body["cases"]
            )
            topologies = {plain_name(name, MANIFEST): str(sha) for name, sha in body["topologies"].items()}
            for case in cases:
                plain_name(case.key, MANIFEST)
                numbers = np.array(
                    [*np.array(case.rotation, np.float64).reshape(9), *case.translation, case.scale]
                )
                if set(case.sha256) != set(FILES) or case.topology not in topologies:
                    raise ValueError(f"case {case.key} lacks a file or its topology")
                if not np.isfinite(numbers.astype(np.float64)).all():
                    raise ValueError(f"case {case.key} has a pose that is not finite")
            return Benchmark(root, cases, topologies, str(body["digest"]))

    def read(self, case: Case, name: str) -> Array:
        """Array of a case: "image", "semantic", "label" or "mesh"."""
        relative = FILES[name].format(case.key)
        data = self._bytes(relative, case.sha256[name])
        if name == "mesh":
            return decode_npy(data)
        return decode(_IMAGE if name == "image" else _SEMANTIC, data)

    def topology(self, name: str) -> Topology:
        """Triangles of a name."""
        data = self._bytes(f"topology/{name}.npz", self.topologies[name])
        with saying(f"topology/{name}.npz"):
            with zipfile.ZipFile(io.BytesIO(data)) as packed:
                if sum(member.file_size for member in packed.infolist()) > MAX_FIELD:
                    raise ValueError(f"more than {MAX_FIELD} bytes unpacked")
            with np.load(io.BytesIO(data), allow_pickle=False) as file:
                topology = Topology(file["faces"], file["counted"])
            if topology.faces.ndim != 2 or topology.faces.shape[1] != 3 or topology.faces.min(initial=0) < 0:
                raise ValueError(f"faces of (F, 3) from 0 expected, got {topology.faces.shape}")
            return topology

    def problems(self, tell: Callable[[int], None] = lambda done: None) -> list[str]:
        """One sentence for every file that is missing or changed; ``tell(cases done)``."""
        found = []
        for name, sha in sorted(self.topologies.items()):
            found += self._problem(f"topology/{name}.npz", sha)
        for done, case in enumerate(self.cases, 1):
            for name, sha in case.sha256.items():
                found += self._problem(FILES[name].format(case.key), sha)
            tell(done)
        return found

    def _problem(self, relative: str, sha: str) -> list[str]:
        try:
            self._bytes(relative, sha)
        except CorruptStore as error:
            return [str(error)]
        return []

    def _bytes(self, relative: str, sha: str) -> bytes:
        path = self.root / relative
        try:
            plain_file(path, MAX_FIELD)
            data = path.read_bytes()
        except OSError as error:
            msg = f"{path} cannot be read ({error.strerror}); build the benchmark again with `facepairs bench build`."
            raise CorruptStore(msg) from None
        if sha256_bytes(data) != sha:
            msg = f"{path} is not what was written; build the benchmark again with `facepairs bench build`."
            raise CorruptStore(msg)
        return data


class BenchmarkWriter:
    """Writes the files of a benchmark, and the manifest at the end.

    Args:
        root: folder; files of another benchmark in it are replaced one by one, after its manifest is gone.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in ("images", "semantic", "label", "meshes", "topology"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        (root / MANIFEST).unlink(missing_ok=True)
        self._cases: list[Case] = []
        self._topologies: dict[str, str] = {}

    def topology(self, name: str, faces: Array, counted: Array) -> None:
        """Triangles (F, 3) and which of them count (F,)."""
        packed = io.BytesIO()
        np.savez(packed, allow_pickle=False, faces=faces.astype(np.int32), counted=counted.astype(bool))
        self._topologies[name] = self._write(f"topology/{name}.npz", packed.getvalue())

    def case(self, image: Array, semantic: Array, label: Array, mesh: Array, **about: Any) -> None:
        """One case; ``about`` has the other fields of :class:`Case`.

        Args:
            image: uint8 (R, R, 3).
            semantic: uint8 (R, R), as parsed.
            label: uint8 (R, R), as the mesh says.
            mesh: float32 (V, 3), cube frame.
            about: the rest.
        """
        key, packed = f"{len(self._cases):04d}", io.BytesIO()
        np.lib.format.write_array(packed, np.ascontiguousarray(mesh, np.float32), (1, 0), allow_pickle=False)
        data = {
            "image": encode(_IMAGE, image), "semantic": encode(_SEMANTIC, semantic),
            "label": encode(_SEMANTIC, label), "mesh": packed.getvalue(),
        }  # fmt: skip
        sha = {name: self._write(FILES[name].format(key), content) for name, content in data.items()}
        self._cases.append(Case(key=key, sha256=sha, **about))

    def finish(self) -> Benchmark:
        """Write the manifest."""
        content = {
            "version": VERSION,
            "cases": [asdict(case) for case in self._cases],
            "topologies": self._topologies,
        }
        body = content | {"digest": sha256_bytes(canonical_json(content))}
        write_replace(self.root / MANIFEST, seal(body))
        return Benchmark.open(self.root)

    def _write(self, relative: str, data: bytes) -> str:
        write_replace(self.root / relative, data)
        return sha256_bytes(data)
