"""Batches of PRNet: from a store's pairs, or from its photographs with the heads that were fitted to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from assets.places import PlaceAtlas
from assets.registry import default_head
from flows.fitted_photos import fitted_photos
from flows.kept_arrays import kept_arrays
from flows.pair_cache import PairCache, resized
from flows.sdf_batches import dealt
from models.networks.position_map import PositionBatch, PositionSize
from models.networks.sdf_augment import Augmentation, developed, draw_motion
from models.networks.sdf_input import sdf_input
from models.networks.train_loop import Recipe
from storage.errors import StoreError
from storage.store import Store
from tasks.decode import MeshReader

FITTED = {"train": 600, "val": 96, "test": 96}  # photographs, turned as planned, of each split


@dataclass(frozen=True, eq=False)
class PositionBatches:
    """Batches of pictures and position maps.

    Args:
        arrays: ``image``, ``semantic``, ``places``; first axis the example.
        atlas: of the maps.
        recipe: its seed.
        how: augmentation.
    """

    arrays: Mapping[str, np.ndarray]
    atlas: PlaceAtlas
    recipe: Recipe
    how: Augmentation

    def __call__(self, positions: range) -> PositionBatch:
        """The batch of some positions of the run, counted over all epochs."""
        images, semantics, places = zip(*(self.example(at) for at in positions), strict=True)
        weight = np.broadcast_to(self.atlas.weight, (len(positions), *self.atlas.weight.shape))
        return PositionBatch(
            sdf_input(torch.from_numpy(np.stack(images)), torch.from_numpy(np.stack(semantics))),
            torch.from_numpy(np.stack(places)).permute(0, 3, 1, 2),
            torch.from_numpy(weight.copy()),
        )

    def example(self, at: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Image, classes and position map (S, S, 3) of the ``at``-th augmented example of the run."""
        take = self.arrays
        index = dealt(len(take["image"]), self.recipe.seed, at)
        rng = np.random.default_rng(np.random.SeedSequence(self.recipe.seed, spawn_key=(3, at)))
        motion = draw_motion(rng, self.how)
        image, semantic = developed(
            *motion.picture(take["image"][index], take["semantic"][index]), rng, self.how
        )
        places = take["places"][index].astype(np.float32)
        if motion.flip:
            places = self.atlas.mirrored(places)
        moved = replace(motion, flip=False).points(places.reshape(-1, 3)).reshape(places.shape)
        return image, semantic, moved.astype(np.float32)


def one_atlas(store: Path, size: PositionSize) -> PlaceAtlas:
    """The atlas of the maps: that of the head that ships, whose topology the network's answers have.

    Raises:
        StoreError: the store's pairs wear another head, or several.
    """
    head = default_head()
    if others := {row.head for row in Store.open(store).plan.rows} - {head.name}:
        msg = (
            f"{store} has pairs of the head model '{min(others)}', and position maps know '{head.name}' alone; leave "
            "the rows prnet and prnet-fitted out."
        )
        raise StoreError(msg)
    return PlaceAtlas(head, size.map)


def pair_maps(source: Source, size: PositionSize) -> dict[str, np.ndarray]:
    """Pictures and position maps of a store's pairs."""
    cache = PairCache(source, size.image)

    def make() -> dict[str, np.ndarray]:
        meshes = MeshReader(Store.open(source.store))
        places = np.zeros((len(cache), size.map, size.map, 3), np.float16)
        atlas: PlaceAtlas | None = None
        for i, key in enumerate(cache.reader.keys):
            mesh = meshes.read(key)
            atlas = atlas or PlaceAtlas(mesh.head, size.map)  # finer triangles in the same charts
            places[i] = atlas.places(mesh.vertices)
        return {"places": places}

    kept = kept_arrays(cache.root.parent / f"{source.split}-places-{size.map}", make)
    return {"image": cache.array("image"), "semantic": cache.array("semantic"), **kept}


def fitted_maps(source: Source, size: PositionSize) -> dict[str, np.ndarray]:
    """Pictures and position maps of a store's photographs with their fitted heads."""
    atlas = one_atlas(source.store, size)

    def make() -> dict[str, np.ndarray]:
        rows: dict[str, list[np.ndarray]] = {"image": [], "semantic": [], "places": []}
        for photo in fitted_photos(source.store, source.split, FITTED[source.split]):
            image, semantic = resized(photo.image, photo.semantic, size.image)
            places = atlas.places(photo.vertices).astype(np.float16)
            for name, value in (("image", image), ("semantic", semantic), ("places", places)):
                rows[name].append(value)
        if not rows["image"]:
            msg = f"{source.store} has no photograph of the split '{source.split}'; make a store from more photographs."
            raise StoreError(msg)
        return {name: np.stack(values) for name, values in rows.items()}

    folder = PairCache(source, size.image).root.parent
    return kept_arrays(folder / f"{source.split}-fitted-{size.image}-{size.map}", make)
