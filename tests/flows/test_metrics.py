from __future__ import annotations

import os
import socket
import time
import urllib.error
import urllib.request

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.config import SynthesizeError
from flows.metrics import EDGES, Histogram, _labels, render, serving
from flows.progress import Board
from storage.store import Counts

parser = pytest.importorskip("prometheus_client.parser")


def board() -> Board:
    made = Board()
    made.photo(3)
    made.begin_pairs(Counts(40, 6, 2, 32, 5, 1, {"gap": 2}))
    made.shard(
        {
            "shard": 1, "planned": 8, "committed": 5, "rejected": 3, "reasons": {"gap": 1, "seam": 2},
            "seconds": {"draw": 0.2, "store": 45.0}, "stages": [],
        }
    )  # fmt: skip
    return made


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = parser.text_string_to_metric_families(text)
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for f in families for s in f.samples}


def test_prometheus_own_parser_reads_every_number() -> None:
    got = samples(render(board(), {0: os.getpid(), 1: 2**22 + 1}, 2))
    pairs = {labels: value for (name, labels), value in got.items() if name == "facepairs_pairs_total"}
    assert pairs == {
        (("reason", ""), ("state", "committed")): 11,
        (("reason", "gap"), ("state", "rejected")): 3,
        (("reason", "seam"), ("state", "rejected")): 2,
    }
    assert got["facepairs_pairs_planned", ()] == 40
    assert got["facepairs_pairs_pending", ()] == 40 - sum(pairs.values())
    assert got["facepairs_shards_total", ()] == 1
    assert got["facepairs_faces_total", ()] == 3
    assert got["facepairs_worker_deaths_total", ()] == 2
    assert got["facepairs_eta_seconds", ()] > 0
    assert got["facepairs_worker_resident_bytes", (("worker", "0"),)] > 1e6
    assert got["facepairs_worker_resident_bytes", (("worker", "1"),)] == 0, "it has just ended"
    assert got["facepairs_stage_seconds_count", (("stage", "store"),)] == 1
    assert got["facepairs_stage_seconds_sum", (("stage", "store"),)] == 45
    assert got["facepairs_stage_seconds_bucket", (("le", "30.0"), ("stage", "store"))] == 0
    assert got["facepairs_stage_seconds_bucket", (("le", "100.0"), ("stage", "store"))] == 1


@given(st.lists(st.floats(0, 1e5), max_size=30))
def test_buckets_count_what_is_at_most_their_edge(values: list[float]) -> None:
    found = Histogram()
    for value in values:
        found.observe(value)
    for k, edge in enumerate(EDGES):
        assert sum(found.counts[: k + 1]) == sum(value <= edge for value in values)
    assert sum(found.counts) == len(values)


@given(st.text(max_size=20))
def test_any_text_is_a_label(value: str) -> None:
    line = f"# TYPE x gauge\nx{_labels({'name': value})} 1\n"
    if "\r" in value or any(c in value for c in "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"):
        return  # the parser of the test splits lines at these
    assert dict(next(iter(samples(line)))[1]) == {"name": value}


def test_it_is_served_on_loopback_alone_while_the_run_lasts() -> None:
    made = board()
    with serving(0, lambda: render(made, {}, 0)) as address:
        assert address.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(address, timeout=5) as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            assert samples(answer.read().decode())["facepairs_pairs_planned", ()] == 40
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(address.replace("metrics", "etc/passwd"), timeout=5)
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(address, timeout=5)
    with serving(None, lambda: "") as address:
        assert address == ""


def test_a_taken_port_is_told_in_a_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(SynthesizeError, match=f"port {port} .*give another, or 0"),
            serving(port, lambda: ""),
        ):
            pass


def test_log_and_metrics_cost_less_than_a_thousandth_of_a_shard() -> None:
    """A shard takes tens of seconds of a worker; its events and a scrape take milliseconds of the parent."""
    made = board()
    began = time.process_time()
    for _ in range(50):
        render(made, {0: os.getpid()}, 0)
    assert (time.process_time() - began) / 50 < 0.02
