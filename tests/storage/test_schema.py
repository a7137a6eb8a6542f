from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.errors import SchemaError
from storage.schema import META_KEYS, NO_DEPTH, PAIR_FIELDS, Schema, decode, encode
from tests.storage.toy_store import QUALITY, SIZES, N, R, toy_fields, toy_meta

SCHEMA = Schema(quality=QUALITY, sizes=SIZES)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31))
def test_every_field_comes_back_as_it_was_given(salt: int) -> None:
    fields = toy_fields("00000003", salt)
    for spec in PAIR_FIELDS:
        data = encode(spec, fields[spec.name])
        assert data == encode(spec, fields[spec.name].copy())
        got = decode(spec, data)
        assert got.dtype == fields[spec.name].dtype
        if spec.lossless:
            np.testing.assert_array_equal(got, fields[spec.name])
        else:
            np.testing.assert_allclose(got, fields[spec.name], atol=1.01 / 65534, rtol=0)
            np.testing.assert_array_equal(got == NO_DEPTH, fields[spec.name] == NO_DEPTH)


def test_depth_keeps_its_ends_and_the_absence_of_a_surface() -> None:
    z = np.array([[-1, 1], [0, NO_DEPTH]], np.float32)
    got = decode(SCHEMA["depth"], encode(SCHEMA["depth"], z))
    assert got[0].tolist() == [-1, 1]
    assert got[1, 1] == NO_DEPTH
    assert abs(got[1, 0]) <= 1.01 / 65534


def test_red_stays_red_for_any_png_reader() -> None:
    from io import BytesIO

    from PIL import Image

    red = np.zeros((R, R, 3), np.uint8)
    red[..., 0] = 200
    assert Image.open(BytesIO(encode(SCHEMA["image"], red))).getpixel((0, 0)) == (200, 0, 0)


def test_a_sample_is_encoded_with_its_meta() -> None:
    encoded = SCHEMA.encode_sample("00000003", toy_fields("00000003"), toy_meta("00000003"))
    assert tuple(sorted(encoded, key=SCHEMA.extension)) == SCHEMA.names
    meta = json.loads(encoded["meta"])
    assert set(meta) == set(META_KEYS)
    identity = np.asarray(meta["identity"], np.float32)
    np.testing.assert_array_equal(identity, toy_meta("00000003")["identity"])
    assert sum(map(len, encoded.values())) < SCHEMA.sample_bytes()


def _without(mapping: dict, name: str) -> dict:
    return {k: v for k, v in mapping.items() if k != name}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f, m: (_without(f, "depth"), m), "lacks the field 'depth'; give all of"),
        (
            lambda f, m: ({**f, "face_mask": f["mask"]}, m),
            "has the field 'face_mask', which the store does not know",
        ),
        (
            lambda f, m: ({**f, "mask": f["mask"].astype(np.uint8)}, m),
            "'mask': dtype bool expected, got uint8",
        ),
        (lambda f, m: ({**f, "depth": [0.0]}, m), "'depth': dtype float32 expected, got list"),
        (
            lambda f, m: ({**f, "image": f["image"][:8]}, m),
            r"'image': shape \(16, 16, 3\) expected, got \(8, 16, 3\)",
        ),
        (
            lambda f, m: ({**f, "sdf_value": f["sdf_value"][:3]}, m),
            r"'sdf_value': shape \(8,\) expected, got \(3,\)",
        ),
        (
            lambda f, m: ({**f, "sdf_value": np.full(N, np.nan, np.float16)}, m),
            "'sdf_value': finite numbers expected",
        ),
        (lambda f, m: ({**f, "depth": np.full((R, R), 1.5, np.float32)}, m), r"'depth': cube z in \[-1, 1\]"),
        (lambda f, m: (f, _without(m, "light")), "lacks the meta key 'light'"),
        (lambda f, m: (f, {**m, "shape": 1}), "has the meta key 'shape'"),
        (lambda f, m: (f, {**m, "camera": {}}), "lacks the camera key 'mm_per_unit'"),
        (lambda f, m: (f, {**m, "quality": {"gap": 1.0}}), "lacks the quality number 'seam'"),
        (lambda f, m: (f, {**m, "identity": np.array([np.inf])}), "cannot be written as JSON"),
        (lambda f, m: (f, {**m, "sources": object()}), "cannot be written as JSON"),
    ],
)
def test_what_does_not_fit_is_named(change, message: str) -> None:
    fields, meta = change(toy_fields("00000003"), toy_meta("00000003"))
    with pytest.raises(SchemaError, match=f"sample 00000003.*{message}"):
        SCHEMA.encode_sample("00000003", fields, meta)


def test_letters_bind_within_a_sample_when_the_store_leaves_them_free() -> None:
    free = Schema(quality=QUALITY)
    fields = toy_fields("00000003")
    free.encode_sample("00000003", fields, toy_meta("00000003"))
    with pytest.raises(SchemaError, match="'semantic'"):
        free.encode_sample(
            "00000003", {**fields, "semantic": np.zeros((8, 8), np.uint8)}, toy_meta("00000003")
        )


def test_the_table_survives_json() -> None:
    assert Schema.from_table(json.loads(json.dumps(SCHEMA.table()))) == SCHEMA


def test_an_unknown_field_lists_the_known_ones() -> None:
    with pytest.raises(SchemaError, match=r"no field 'sdf'; it has .*sdf_value"):
        SCHEMA.extension("sdf")
