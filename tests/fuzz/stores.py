"""Files of a store, of a benchmark and of models. Bodies are sealed anew, since whoever writes a store seals it."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from models.heads.load import load_head
from models.networks.rows import reconstructor
from storage import index
from storage.benchmark import MANIFEST, Benchmark
from storage.commit import read_commit
from storage.errors import StoreError
from storage.files import seal
from storage.generation import latest, read_generation
from storage.plan import Plan
from storage.schema import PAIR_FIELDS, Schema, decode
from storage.store import Store
from storage.tarshard import scan
from storage.verify import verify_store
from tests.storage.toy_store import QUALITY, SIZES, synthesise, toy_plan

OURS = (StoreError, ValueError)  # weights and heads tell with ValueError what does not fit
SCHEMA = Schema(quality=QUALITY, sizes=SIZES)


def _sealed(name: str, read: Callable[[Path], object]) -> Callable[[bytes, Path], None]:
    def run(data: bytes, work: Path) -> None:
        root = work / "store"
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        try:
            body = json.loads(data)
            data = seal(body) if isinstance(body, dict) else data
        except (ValueError, RecursionError):
            pass
        (root / name).write_bytes(data)
        try:
            read(root)
        finally:
            shutil.rmtree(root)

    return run


def _scan(data: bytes, work: Path) -> None:
    (work / "a.tar").write_bytes(data)
    list(scan(work / "a.tar"))


def _head(data: bytes, work: Path) -> None:
    (work / "a.npz").write_bytes(data)
    load_head(work / "a.npz")


def _foreign(call: Callable[[bytes], object]) -> Callable[[bytes, Path], None]:
    """Readers of bytes whose caller names the file: Store.open wraps what Plan.from_parquet lets through."""

    def run(data: bytes, work: Path) -> None:
        from storage.untrusted import saying

        with saying("plan"):
            call(data)

    return run


READERS: dict[str, Callable[[bytes, Path], None]] = {
    "store.json": _sealed("store.json", lambda root: (verify_store(root), Store.open(root))),
    "commit": _sealed("commits/000000.json", lambda root: read_commit(root, 0)),
    "LATEST": _sealed("LATEST", latest),
    "generation": _sealed("manifests/gen-000001.json", lambda root: read_generation(root, "gen-000001.json")),
    MANIFEST: _sealed(MANIFEST, lambda root: Benchmark.open(root).problems()),
    "plan.parquet": _foreign(Plan.from_parquet),
    "index.parquet": lambda data, work: index.from_parquet(data, SCHEMA, "index"),
    "shard.tar": _scan,
    "png": lambda data, work: decode(PAIR_FIELDS[0], data),
    "npy": lambda data, work: decode(PAIR_FIELDS[-1], data),
    "weights": lambda data, work: reconstructor("base", data, {"preset": "small"}),
    "head.npz": _head,
}
_FILES = {
    "store.json": "store.json", "commit": "commits/000000.json", "LATEST": "LATEST",
    "generation": "manifests/gen-000001.json", "shard.tar": "shards/000/*.tar",
}  # fmt: skip


def seeds(reader: str) -> Iterator[bytes]:
    """The files of a toy store."""
    if reader in _FILES:
        root = Path("seed-store")
        synthesise(root)
        path = next(root.glob(_FILES[reader]))
        data = path.read_bytes()
        shutil.rmtree(root)
        yield data if reader == "shard.tar" else json.dumps(json.loads(data)["body"]).encode()
    elif reader == MANIFEST:
        yield b'{"version": 1, "cases": [], "topologies": {"t": "0"}, "digest": "d"}'
    elif reader == "plan.parquet":
        yield toy_plan().to_parquet()
    elif reader == "index.parquet":
        yield index.to_parquet([index.IndexRow(f"{i:08d}", "rejected", "gap") for i in range(4)], SCHEMA)
    elif reader == "png":
        from storage.schema import encode

        yield encode(PAIR_FIELDS[0], np.zeros((8, 8, 3), np.uint8))
    elif reader == "npy":
        from storage.schema import encode

        yield encode(PAIR_FIELDS[-1], np.zeros(8, np.float16))
    elif reader == "weights":
        text = b'{"base.x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
        yield len(text).to_bytes(8, "little") + text + bytes(4)
    else:
        out = io.BytesIO()
        np.savez(out, head_format=2, header='{"name": "a", "proxies": []}', mean=np.zeros((3, 3)))
        yield out.getvalue()
