"""The pair store against WebDataset's stock writer and reader, on samples of the real size (256², 32768 SDF points).

Payloads are made by the store's own encoders from smooth pictures with noise, so sizes are near those of real pairs.
"Raw" reads return the stored bytes of every field, not decoded; CRC checks and decoding are measured apart, because
they cost more than the reads themselves. The page cache is warm, so reading is processor work and is counted in
processor seconds of one thread; writing waits for the disk and is counted in seconds.

Run: ``python benchmarks/bench_store.py``
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import webdataset

from benchmarks import harness
from storage import commit
from storage.generation import publish
from storage.index import COMMITTED, IndexRow
from storage.plan import SourceRef, draw_plan
from storage.reader import EpochOrder, PairReader
from storage.store import Sample, Store

R, N, PAIRS, SHARD = 256, 32768, 256, 64
READS = 4000


def _smooth(rng: np.random.Generator, channels: int, top: int, noise: float) -> np.ndarray:
    """Like a photograph or a normal map: large soft forms and a little grain, in [0, top]."""
    soft = cv2.resize(rng.random((12, 12, channels)), (R, R), interpolation=cv2.INTER_CUBIC).reshape(
        R, R, channels
    )
    return np.clip((soft + noise * rng.normal(size=soft.shape)) * top, 0, top)


def _sample(key: str) -> Sample:
    rng = np.random.default_rng(int(key))
    y, x = np.mgrid[-1 : 1 : R * 1j, -1 : 1 : R * 1j]
    head = x**2 / 0.4 + y**2 / 0.7 < 1
    normal = [(_smooth(rng, 3, 65535, 0.0002) * head[..., None]).astype(np.uint16) for _ in range(2)]
    fields = {
        "image": _smooth(rng, 3, 255, 0.01).astype(np.uint8),
        "semantic": np.where(head, 1, 17 * (y > 0.5)).astype(np.uint8),
        "mask": head,
        "normal_front": normal[0],
        "normal_back": normal[1],
        "depth": np.where(head, _smooth(rng, 1, 1, 0.0002)[..., 0], -2).astype(np.float32),
        "sdf_index": rng.integers(0, 256, (N, 3), dtype=np.uint8),
        "sdf_value": rng.uniform(-0.04, 0.04, N).astype(np.float16),
        "sdf_residual": rng.normal(0, 1e-4, N).astype(np.float16),
    }
    meta = {
        "angles": [0, 0, 0],
        "camera": {"scale": 0.0078, "rotation": np.eye(3), "translation": [0, 0], "mm_per_unit": 128},
        "identity": rng.normal(size=120).astype(np.float32),
        "expression": rng.random(52).astype(np.float32),
        "light": rng.normal(size=(9, 3)).astype(np.float32),
        "relief": {"amplitude": 1.0},
        "sources": {"photo": "synthetic"},
        "quality": {"gap": 0.5},
    }
    return Sample(key, fields, meta)


def _rate(call: Callable[[], int], seconds: float = 2.0) -> float:
    """Samples per processor second: median of three rounds after one to warm up."""
    call()
    rates = []
    for _ in range(3):
        count, start = 0, time.process_time()
        while time.process_time() - start < seconds / 3:
            count += call()
        rates.append(count / (time.process_time() - start))
    return float(np.median(rates))


def _read_all(read: Callable[[int], Any], order: Sequence[int]) -> int:
    for i in order:
        read(i)
    return len(order)


def _write(store: Store, shard: int, encoded: Sequence[Mapping[str, bytes]]) -> None:
    """What ``Store.write_shard`` does, without the encoding."""
    planned = store.plan.shards[shard]
    ordered = ((IndexRow(row.key, COMMITTED, quality={"gap": 0.5}), encoded[row.index]) for row in planned)
    with commit.attempt_folder(store.root, shard, 1) as folder:
        tar, idx, done = commit.write_attempt(folder, ordered, store.schema)
        mine = commit.new_commit(
            shard, store.plan.hash, store.fingerprint, tar, idx, done, folder, time.time(), {}
        )
        commit.link_commit(store.root, folder, mine)


def _row(
    name: str, ours: float, peer: float | None = None, peer_name: str = "", note: str = ""
) -> harness.Row:
    return harness.row(name, ours, peer, "samples/s", higher_is_better=True, peer_name=peer_name, note=note)


def main() -> None:
    """Measure and save."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        root = Path(folder)
        plan = draw_plan([SourceRef("a-0", 0, "a")], ["anny"], ["t"], PAIRS, 0, SHARD, {"train": 1.0})
        store = Store.create(root / "store", plan, {}, quality=["gap"], sizes={"R": R, "N": N})
        samples = [_sample(row.key) for row in plan.rows]
        clock = time.process_time()
        encoded = [store.schema.encode_sample(s.key, s.fields, s.meta) for s in samples]
        encode = (time.process_time() - clock) / PAIRS
        size = sum(len(b) for e in encoded for b in e.values()) / PAIRS

        start = time.perf_counter()
        for shard in plan.shards:
            _write(store, shard, encoded)
        ours_write = PAIRS / (time.perf_counter() - start)
        publish(store)
        start = time.perf_counter()
        with webdataset.ShardWriter(str(root / "%03d.tar"), maxcount=SHARD, verbose=0) as writer:
            for sample, data in zip(samples, encoded, strict=True):
                named = {store.schema.extension(name): payload for name, payload in data.items()}
                writer.write({"__key__": sample.key, **named})
        peer_write = PAIRS / (time.perf_counter() - start)

        order = list(EpochOrder(PAIRS, 1)) * (READS // PAIRS)
        peers = [str(p) for p in sorted(root.glob("*.tar"))]

        def sequential() -> int:
            return sum(1 for _ in webdataset.WebDataset(peers, shardshuffle=False))

        peer_read = _rate(sequential)

        def reads(check: bool, fields: Sequence[str] | None = None) -> float:
            reader = PairReader(store, fields=store.schema.names if fields is None else fields, check=check)
            return _rate(lambda: _read_all(reader.raw, order))

        decoder = PairReader(store)
        training = PairReader(store, fields=("image", "sdf_index", "sdf_value"))
        peer = "webdataset, sequential"
        rows = [
            _row("random reads, raw", reads(False), peer_read, peer, f"{size / 1e3:.0f} kB a sample"),
            _row("random reads, every CRC checked", reads(True), peer_read, peer),
            _row("random reads of the SDF values, CRC checked", reads(True, ("sdf_value",))),
            _row("every field, decoded", _rate(lambda: _read_all(decoder.__getitem__, order[:40]))),
            _row("image and SDF, decoded", _rate(lambda: _read_all(training.__getitem__, order[:200]))),
            _row(
                "writing, without encoding",
                ours_write,
                peer_write,
                "webdataset.ShardWriter",
                "ours: hashes, fsync, read back and compared, committed",
            ),
            harness.row("encoding a sample", 1e3 * encode),
        ]
        harness.save("store", rows, packages=["webdataset", "pyarrow", "opencv-python-headless"])


if __name__ == "__main__":
    main()
