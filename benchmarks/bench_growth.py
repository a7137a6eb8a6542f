"""How cost grows with triangles, pixels, points and rows: slopes in double logarithm, 1 is linear.

Each row's number is the slope of time against size, its peer the straight line, and ``docs/pictures/growth.svg`` shows
the measured points.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import trimesh

from assets.registry import photo_paths
from benchmarks.harness import Row, row, save
from flows.charts import lines
from flows.config import SynthesizeConfig
from flows.stage_costs import profile_rows
from flows.work import annotate, prepare
from models.geometry.normals import vertex_normals
from models.geometry.rasterize import rasterize
from models.geometry.sdf import near_surface_samples
from storage.plan import SourceRef, draw_plan
from storage.store import Store

PLOT = Path(__file__).resolve().parent.parent / "docs" / "pictures" / "growth.svg"
FACES = (45, 90, 158, 224)  # half the meridians of a sphere: 16k to 400k triangles
POINTS = (8192, 16384, 32768, 65536, 131072, 262144)
SIZES = (128, 256, 512, 1024)
ROWS = (1000, 10_000, 100_000)
PAIRS = 8  # of each image size
PHOTOS = 3  # that they are made from


def cpu(call: Callable[[], object], repeat: int = 3) -> float:
    """Median CPU seconds after one call to warm up."""
    call()
    times = []
    for _ in range(repeat):
        before = time.process_time()
        call()
        times.append(time.process_time() - before)
    return float(np.median(times))


def slope(seconds: Mapping[int, float]) -> float:
    """Of the straight line through the points in double logarithm."""
    x, y = np.log(list(seconds)), np.log(list(seconds.values()))
    return float(np.polyfit(x, y, 1)[0])


def ball(half: int) -> tuple[np.ndarray, np.ndarray]:
    """A closed sphere of about 8 half² triangles, as large as a head in its crop."""
    mesh = trimesh.creation.uv_sphere(radius=0.65, count=[half, 2 * half])
    return np.asarray(mesh.vertices, np.float64), np.asarray(mesh.faces, np.int32)


def by_faces() -> dict[str, dict[int, float]]:
    """Labels, and a picture of 256², by number of triangles."""
    labels, picture = {}, {}
    for half in FACES:
        vertices, faces = ball(half)
        small = vertices.astype(np.float32)
        labels[len(faces)] = cpu(
            lambda v=vertices, f=faces: near_surface_samples(v, f, 32768, np.random.default_rng(0))
        )
        picture[len(faces)] = cpu(lambda v=small, f=faces: (vertex_normals(v, f), rasterize(v, f, 256)))
    return {"labels by triangles": labels, "normals and picture by triangles": picture}


def by_points() -> dict[int, float]:
    """Labels by number of points on a mesh of 90k triangles."""
    vertices, faces = ball(150)
    return {
        n: cpu(lambda n=n: near_surface_samples(vertices, faces, n, np.random.default_rng(0))) for n in POINTS
    }


def by_pixels(folder: Path) -> dict[int, float]:
    """The whole chain, CPU seconds a pair, by pixels of an image."""
    photos = [[str(path), path.name] for path in photo_paths()[:PHOTOS]]
    found = {}
    for size in SIZES:
        config = SynthesizeConfig(out=folder / str(size), pairs=PAIRS, size=size)
        asked = config.model_dump(mode="json")
        prepare(asked, annotate(asked, photos, emit=unheard), emit=unheard)
        found[size * size] = sum(cost.cpu_ms for cost in profile_rows(config.out, PAIRS)) / 1e3
    return found


def unheard(event: object) -> None:
    """Nobody follows these jobs."""


def by_rows(folder: Path) -> dict[str, dict[int, float]]:
    """Drawing a plan and creating its store, and opening and counting it, by planned rows."""
    drawn, opened = {}, {}
    sources = [
        SourceRef(f"{i:016x}-00", float(y), f"{i:064x}") for i, y in enumerate(np.linspace(-60, 60, 500))
    ]
    textures = [f"t{i}" for i in range(50)]
    weights = np.random.default_rng(0).random((500, 50))
    for rows in ROWS:
        root = folder / f"rows{rows}"
        before = time.process_time()
        plan = draw_plan(sources, ["anny"], textures, rows, 0, weights=weights)
        Store.create(root, plan, {}, quality=["gap"], sizes={"R": 256, "N": 32768})
        drawn[rows] = time.process_time() - before
        opened[rows] = cpu(lambda root=root: Store.open(root).counts())
    return {"plan by rows": drawn, "open and count by rows": opened}


def main() -> list[Row]:
    """All slopes; writes the plot."""
    with tempfile.TemporaryDirectory() as folder:
        series = by_faces()
        series["labels by points"] = by_points()
        series["chain by pixels"] = by_pixels(Path(folder))
        series |= by_rows(Path(folder))
    scaled = {name: _relative(seconds) for name, seconds in series.items()}
    scaled["linear"] = [(1.0, 1.0), (100.0, 100.0)]
    PLOT.write_text(lines(scaled, "size, times the smallest", "time, times the smallest", log=True) + "\n")
    return [
        row(name, slope(seconds), 1.0, "slope", peer_name="linear growth", note=_note(seconds))
        for name, seconds in series.items()
    ]


def _relative(seconds: Mapping[int, float]) -> Sequence[tuple[float, float]]:
    first = next(iter(seconds))
    return [(n / first, s / seconds[first]) for n, s in seconds.items()]


def _note(seconds: Mapping[int, float]) -> str:
    return ", ".join(f"{n:,}: {1e3 * s:,.3g} ms" for n, s in seconds.items())


if __name__ == "__main__":
    save("growth", main(), packages=["numba", "torch"])
