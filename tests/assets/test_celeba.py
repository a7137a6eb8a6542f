from __future__ import annotations

from pathlib import Path

import numpy as np
import photo_layouts
import pytest

from assets.readers.sets import read_photos
from assets.readers.tree import PhotoSetError
from storage.plan import SourceRef, draw_plan

PICTURES = [np.full((80, 70, 3), 10 * i, np.uint8) for i in range(6)]
PEOPLE = [11, 12, 11, 13, 12, 11]


@pytest.mark.parametrize("packed", [False, True])
def test_people_sex_and_terms_come_from_the_text_files(tmp_path: Path, packed: bool) -> None:
    found = read_photos(photo_layouts.celeba(tmp_path, PICTURES, PEOPLE, packed=packed))
    assert [photo.identity for photo in found.photos] == [f"celeba-{person}" for person in PEOPLE]
    assert {photo.licence for photo in found.photos} == {"CelebA"}
    assert dict(found.photos[0].looks) == {"feminine": 0.0}
    assert dict(found.photos[1].looks) == {"feminine": 1.0, "beard": 0.0}
    assert "of 3 identities" in found.line


def test_pictures_in_the_wild_come_first_unless_the_aligned_are_asked_for(tmp_path: Path) -> None:
    photo_layouts.celeba(tmp_path, PICTURES, PEOPLE)
    photo_layouts.celeba(tmp_path, PICTURES[:2], PEOPLE[:2], wild=True)
    assert {photo.collection for photo in read_photos(tmp_path).photos} == {"CelebA in the wild"}
    assert {photo.collection for photo in read_photos(tmp_path, "celeba-aligned").photos} == {
        "CelebA aligned"
    }


def test_without_labels_it_is_read_and_with_damaged_ones_it_is_a_sentence(tmp_path: Path) -> None:
    photo_layouts.celeba(tmp_path, PICTURES, PEOPLE)
    labels = tmp_path / "Anno" / "identity_CelebA.txt"
    text = labels.read_text()
    labels.write_text(text.replace("12", "twelve"))
    with pytest.raises(
        PhotoSetError, match=r"identity_CelebA.txt' .* line 2: a file name and a number expected"
    ):
        read_photos(tmp_path)
    labels.unlink()
    assert {photo.identity for photo in read_photos(tmp_path).photos} == {""}
    attributes = tmp_path / "Anno" / "list_attr_celeba.txt"
    attributes.write_text(attributes.read_text().rstrip("\n ")[:-4] + "\n")
    with pytest.raises(PhotoSetError, match=r"40 attributes expected, got 39"):
        read_photos(tmp_path)


def test_no_person_is_in_two_splits(tmp_path: Path) -> None:
    people = [int(p) for p in np.random.default_rng(0).integers(0, 25, 120)]
    photos = read_photos(photo_layouts.celeba(tmp_path, [PICTURES[0]] * 120, people)).photos
    # As flows.work makes them of annotated rows: the identity, where there is one, decides.
    sources = [SourceRef(f"{i:016x}-00", 0.0, photo.identity) for i, photo in enumerate(photos)]
    plan = draw_plan(sources, ["h"], ["t"], 480, 0, splits={"train": 0.6, "val": 0.2, "test": 0.2})
    person = {source.id: source.photo for source in sources}
    splits: dict[str, set[str]] = {}
    for row in plan.rows:
        splits.setdefault(person[row.source], set()).add(row.split)
    assert len(splits) > 20
    assert all(len(found) == 1 for found in splits.values())
    assert {name for found in splits.values() for name in found} == {"train", "val", "test"}
