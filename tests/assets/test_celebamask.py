from __future__ import annotations

from pathlib import Path

import numpy as np
import photo_layouts

from assets.readers.members import Member
from assets.readers.sets import read_photos

PICTURES = [np.full((64, 64, 3), 40 * i, np.uint8) for i in range(3)]
MASKS = [
    {"skin": np.ones((32, 32), bool), "l_eye": np.eye(32, dtype=bool)},
    {"hair": np.eye(32, dtype=bool)},
    {},
]


def test_masks_belong_to_their_pictures(tmp_path: Path) -> None:
    found = read_photos(photo_layouts.celebamask(tmp_path, PICTURES, MASKS))
    assert [sorted(dict(photo.masks)) for photo in found.photos] == [["l_eye", "skin"], ["hair"], []]
    first = found.photos[0].file()
    assert isinstance(first, Member)
    assert set(first.masks) == {"l_eye", "skin"}
    assert isinstance(found.photos[2].file(), Path)  # without masks the network parses it


def test_people_are_those_of_celeba_when_its_file_is_there(tmp_path: Path) -> None:
    photo_layouts.celebamask(tmp_path, PICTURES, MASKS)
    assert [photo.identity for photo in read_photos(tmp_path).photos] == ["", "", ""]
    photo_layouts.write(tmp_path, {"identity_CelebA.txt": "000001.jpg 7\n000008.jpg 9\n000015.jpg 7\n"})
    assert [photo.identity for photo in read_photos(tmp_path).photos] == ["celeba-7", "celeba-9", "celeba-7"]
