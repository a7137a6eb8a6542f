from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from models.networks.classes import Parsing
from models.networks.face_landmarker import FaceFound
from tasks.contract import Batch, Field, Gives, Reason, Reject, check_chain
from tasks.landmarks import Landmarks
from tasks.parse import hull
from tasks.source_table import SourceRow
from tasks.sources import (
    PHOTO_FIELDS,
    Annotator,
    Source,
    SourceError,
    annotate_folder,
    find_photos,
)

CALLS: list[str] = []


def points(u: float, v: float, iod: float) -> np.ndarray:
    rng = np.random.default_rng(0)
    p = rng.uniform(-0.5, 0.5, (68, 2))
    t = np.linspace(-1, 1, 17) * np.pi / 2
    p[:17] = np.stack([0.8 * np.sin(t), 1.25 * np.cos(t)], 1)
    p[17:27] = np.stack([np.linspace(-0.7, 0.7, 10), np.full(10, -0.3)], 1)
    p[27], p[36], p[45] = (0, 0), (-0.5, 0), (0.5, 0)
    return (p * iod + (u, v)).astype(np.float32)


@dataclass(frozen=True)
class Finder:
    """Finds one face in wide pictures, two in very wide ones, none in tall ones."""

    fingerprint: str = "f1"

    def find(self, image: np.ndarray) -> list[FaceFound]:
        CALLS.append("find")
        h, w = image.shape[:2]
        return [FaceFound(points(w * (i + 0.5) / max(w // h, 1), h / 2, 60), 0.9, 0.0) for i in range(w // h)]


@dataclass(frozen=True)
class Masks:
    """Skin inside the hull; dark faces are rejected."""

    rate: float = 1.0
    name: ClassVar[str] = "parse"
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[Field, ...]] = PHOTO_FIELDS[:2]
    gives: ClassVar[tuple[Field, ...]] = PHOTO_FIELDS[2:]

    def __call__(self, batch: Batch) -> Gives:
        CALLS.append("parse")
        photos = batch["photo"]
        masks = np.zeros(photos.shape[:3], np.uint8)
        for mask, p in zip(masks, batch["landmarks"], strict=True):
            mask[hull(p, len(mask))] = Parsing.SKIN
        dark = {i: Reject(Reason.OCCLUDED, "dark") for i, photo in enumerate(photos) if photo.mean() < 40}
        return Gives({"parsing": masks}, dark)


@dataclass(frozen=True)
class Pose:
    """A pose of 90 degrees of nothing; a worst residual that a test can choose."""

    rms: float = 0.02
    table: np.ndarray = field(default_factory=lambda: np.arange(3.0))
    name: ClassVar[str] = "fit"
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[Field, ...]] = PHOTO_FIELDS[1:2]
    gives: ClassVar[tuple[Field, ...]] = (
        Field("scale", "float32", (), "cube"),
        Field("rotation", "float32", (3, 3), "cube"),
        Field("translation", "float32", (2,), "cube"),
        Field("fit_rms", "float32", (), "iod"),
    )

    def __call__(self, batch: Batch) -> Gives:
        CALLS.append("fit")
        n = len(batch)
        c, s = np.cos(np.radians(30)), np.sin(np.radians(30))
        turn = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]], np.float32)
        bad = {i: Reject(Reason.FIT_RESIDUAL, "far off") for i in range(n) if self.rms > 0.1}
        fields = {
            "scale": np.full(n, 0.01, np.float32),
            "rotation": np.tile(turn, (n, 1, 1)),
            "translation": np.zeros((n, 2), np.float32),
            "fit_rms": np.full(n, self.rms, np.float32),
        }
        return Gives(fields, bad)


@pytest.fixture
def annotator(tmp_path: Path) -> Annotator:
    CALLS.clear()
    return Annotator(tmp_path / "cache", Landmarks(64, Finder()), Masks(), Pose())


@dataclass(frozen=True)
class Front:
    """Background in the upper half; photographs of many shades are rejected."""

    name: ClassVar[str] = "occlude"
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[Field, ...]] = PHOTO_FIELDS
    gives: ClassVar[tuple[Field, ...]] = PHOTO_FIELDS[2:]

    def __call__(self, batch: Batch) -> Gives:
        CALLS.append("occlude")
        assert batch["scale"].shape == (len(batch),)  # knows the fit
        masks = batch["parsing"].copy()
        masks[:, :32] = Parsing.BACKGROUND
        bad = {
            i: Reject(Reason.OCCLUDED, "a hand")
            for i, photo in enumerate(batch["photo"])
            if photo.mean() > 200
        }
        return Gives({"parsing": masks}, bad)


def save(path: Path, h: int, w: int, grey: int = 150) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.full((h, w, 3), grey, np.uint8)
    image[::7, ::5] //= 2
    Image.fromarray(image).save(path)
    return path


def test_a_face_becomes_a_source_with_every_field(annotator: Annotator, tmp_path: Path) -> None:
    (source,) = annotator.annotate(save(tmp_path / "a.png", 300, 400), "sub/a.png")
    assert isinstance(source, Source)
    assert source.row.photo == "sub/a.png"
    assert source.id == f"{source.row.sha256[:16]}-00"
    assert not source.row.reason
    assert source.row.yaw == pytest.approx(30, abs=1e-3)
    assert source.row.fit_rms == pytest.approx(0.02)
    assert source.row.iod == pytest.approx(60)
    assert source.row.sharpness > 0
    assert 0.1 < source.row.face_share < 0.6
    assert {f.name for f in annotator.gives} == set(source.arrays)
    for f in annotator.gives:
        shape = tuple(64 if d == "R" else d for d in f.shape)
        assert (source.arrays[f.name].dtype, source.arrays[f.name].shape) == (np.dtype(f.dtype), shape), (
            f.name
        )
    check_chain([Pose()], annotator.gives)


def test_second_time_comes_from_the_cache_and_is_the_same(annotator: Annotator, tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", 300, 700)
    first = annotator.annotate(path)
    assert len(first) == 2
    CALLS.clear()
    again = annotator.annotate(path)
    assert CALLS == []
    for a, b in zip(first, again, strict=True):
        assert isinstance(a, Source)
        assert isinstance(b, Source)
        assert a.row == b.row
        for name in a.arrays:
            np.testing.assert_array_equal(a.arrays[name], b.arrays[name])
    loaded = annotator.load(first[1].id)
    np.testing.assert_array_equal(loaded.arrays["landmarks"], first[1].arrays["landmarks"])


def test_another_head_is_fitted_without_parsing_again(annotator: Annotator, tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", 300, 400)
    annotator.annotate(path)
    CALLS.clear()
    replace(annotator, fit=Pose(table=np.arange(4.0))).annotate(path)
    assert CALLS == ["fit"]
    CALLS.clear()
    replace(annotator, parse=Masks(rate=0.5)).annotate(path)
    assert CALLS == ["find", "parse", "fit"]


def test_damaged_cache_files_are_made_again(annotator: Annotator, tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", 300, 400)
    (before,) = annotator.annotate(path)
    files = sorted(annotator.cache_dir.rglob("*.npz"))
    assert len(files) == 2
    for file in files:
        file.write_bytes(file.read_bytes()[:-100])
    (after,) = annotator.annotate(path)
    assert before.row == after.row  # type: ignore[union-attr]
    assert annotator.load(after.id).row.id == after.id


def test_rejects_say_why_and_are_cached(annotator: Annotator, tmp_path: Path) -> None:
    cases = {
        "tall.png": (save(tmp_path / "tall.png", 400, 300), Reason.NO_FACE),
        "dark.png": (save(tmp_path / "dark.png", 300, 400, 20), Reason.OCCLUDED),
        "tiny.png": (save(tmp_path / "tiny.png", 30, 40), Reason.TOO_SMALL),
    }
    text = tmp_path / "text.jpg"
    text.write_text("no picture")
    cases["text.jpg"] = (text, Reason.UNREADABLE)
    cases["gone.jpg"] = (tmp_path / "gone.jpg", Reason.UNREADABLE)
    for path, reason in cases.values():
        (row,) = annotator.annotate(path)
        assert isinstance(row, SourceRow)
        assert row.reason == reason.value, path
        assert row.detail
        assert row.id[:16] == row.sha256[:16]
    CALLS.clear()
    assert [r.reason for r in annotator.annotate(cases["tall.png"][0])] == ["no_face"]
    assert CALLS == []
    bad = replace(annotator, fit=Pose(rms=0.3))
    (row,) = bad.annotate(save(tmp_path / "a.png", 300, 400))
    assert isinstance(row, SourceRow)
    assert row.reason == "fit_residual"
    assert row.fit_rms == pytest.approx(0.3)


def test_loading_what_is_not_there_says_what_to_do(annotator: Annotator, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="annotate its photo again"):
        annotator.load("0123456789abcdef-00")
    (row,) = annotator.annotate(save(tmp_path / "dark.png", 300, 400, 20))
    with pytest.raises(SourceError, match="rejected"):
        annotator.load(f"{row.sha256[:16]}-00")  # type: ignore[union-attr]


def test_a_folder_becomes_a_table(annotator: Annotator, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    save(folder / "b.png", 300, 700)
    save(folder / "sub" / "a.PNG", 300, 400, 120)
    save(folder / "copy of b.png", 300, 700)  # the same bytes
    save(folder / ".hidden" / "c.png", 300, 400)
    (folder / "notes.txt").write_text("no photo")
    (folder / "bad.jpg").write_bytes(b"\xff\xd8 nothing")
    assert [p.name for p in find_photos(folder)] == ["b.png", "bad.jpg", "copy of b.png", "a.PNG"]
    told: list[tuple[int, int]] = []
    table = annotate_folder(annotator, folder, lambda done, total: told.append((done, total)))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert len(table.rows) == 4
    assert [r.photo for r in table.usable].count("b.png") == 2
    assert "sub/a.PNG" in {r.photo for r in table.usable}
    ids = [r.id for r in table.rows]
    assert ids == sorted(set(ids))


def test_without_a_fit_sources_have_no_pose(annotator: Annotator, tmp_path: Path) -> None:
    plain = replace(annotator, fit=None)
    (source,) = plain.annotate(save(tmp_path / "a.png", 300, 400))
    assert set(source.arrays) == {"photo", "landmarks", "parsing"}  # type: ignore[union-attr]
    assert math.isnan(source.row.yaw)  # type: ignore[union-attr]
    assert plain.load(source.id).id == source.id


def test_occluders_are_taken_out_of_the_parsing_once_per_fit(annotator: Annotator, tmp_path: Path) -> None:
    path, white = save(tmp_path / "a.png", 300, 400), save(tmp_path / "white.png", 300, 400, 255)
    (plain,) = annotator.annotate(path)
    CALLS.clear()
    refining = replace(annotator, occlude=Front())
    (source,) = refining.annotate(path)
    assert CALLS == ["fit", "occlude"]
    assert isinstance(source, Source)
    assert isinstance(plain, Source)
    assert not source.arrays["parsing"][:32].any()
    np.testing.assert_array_equal(source.arrays["parsing"][32:], plain.arrays["parsing"][32:])
    assert source.row.face_share < plain.row.face_share
    np.testing.assert_array_equal(refining.load(source.id).arrays["parsing"], source.arrays["parsing"])
    (row,) = refining.annotate(white)
    assert isinstance(row, SourceRow)
    assert (row.reason, row.detail) == ("occluded", "a hand")
