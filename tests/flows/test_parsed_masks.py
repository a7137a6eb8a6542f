"""Masks of a parser come in the order of the pairs, once; a pair whose face the parser lost keeps its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from flows.pair_cache import PairCache, Source
from flows.parsed_masks import CHUNK, ParsedMasks
from models.networks.classes import Parsing
from storage.reader import PairReader
from tests.flows.sphere_store import R, sphere_store

PAIRS = CHUNK + 10  # of a store, so that more than one chunk is parsed


def smaller(store: Path, generation: str, split: str, indices: range) -> np.ndarray:
    """A parser that sees three quarters of the face, and no face in the third picture."""
    masks = np.stack([PairReader(store, split, ("semantic",), generation)[i]["semantic"] for i in indices])
    masks[:, : 5 * R // 16] = Parsing.HAIR
    masks[[i == 2 for i in indices]] = Parsing.BACKGROUND
    return masks


def broken(*_: object) -> np.ndarray:
    raise OSError(28, "No space left on device")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    path = tmp_path_factory.mktemp("store") / "spheres"
    sphere_store(path, pairs=PAIRS)
    return Source(path, "gen-000001.json", "train", parsed=True)


def masks(source: Source, folder: Path) -> ParsedMasks:
    return ParsedMasks(folder, source.store, source.generation, source.split, smaller)


def test_masks_are_in_the_order_of_the_pairs(source: Source, tmp_path: Path) -> None:
    found = masks(source, tmp_path / "parsed").classes
    count = len(PairReader(source.store, "train", ("image",)))
    assert np.array_equal(found, smaller(source.store, source.generation, "train", range(count)))
    again = replace(masks(source, tmp_path / "parsed"), parse=broken)  # what is there is not made again
    assert np.array_equal(again.classes, found)


def test_what_breaks_off_leaves_nothing(source: Source, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space"):
        _ = replace(masks(source, tmp_path / "parsed"), parse=broken).classes
    assert not list(tmp_path.iterdir())


def test_networks_learn_from_what_the_parser_sees(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = source.decoded / PairCache(source, R).reader.generation.hash[:16] / "train-parsed"
    seen = masks(source, folder).classes
    cache, plain = PairCache(source, R), PairCache(replace(source, parsed=False), R)
    for i in (0, 1, 3):
        assert np.array_equal(cache.array("semantic")[i], seen[i])
    assert np.array_equal(cache.array("semantic")[2], plain.array("semantic")[2])
    assert (cache.array("semantic")[2] == Parsing.SKIN).any()
    for name in ("image", "depth", "index", "value"):  # labels do not depend on what is seen
        assert np.array_equal(cache.array(name), plain.array(name), equal_nan=name == "depth")
