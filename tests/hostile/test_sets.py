"""Photo sets in folders, tars, zips, parquet files and tables of labels that lead elsewhere, never end, or multiply."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from assets.readers.fitted import parameters
from assets.readers.sets import read_photos
from assets.readers.tree import MAX_HEADER, PhotoSetError, Tree
from tests.hostile import bombs
from tests.hostile.bombs import mat_element, mat_matrix, mat_of, member, tar_of, zip_of
from tests.hostile.mutations import ended, mutated

PNG = bombs.png()
OUT_OF = (
    "../out.png",
    "/etc/out.png",
    "a/../../out.png",
    "..\\out.png",
    "a\0/../out.png",
    "C:\\out.png",
    "./../out.png",
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder for the set, with something beside it that is not the set's."""
    (tmp_path / "secret.png").write_bytes(PNG)
    (tmp_path / "set").mkdir()
    return tmp_path / "set"


def kept(root: Path) -> str:
    """Names of the photographs, and how many of something were left out."""
    found = read_photos(root)
    for photo in found.photos:
        file = photo.file()
        file.read_bytes()
    return f"{[photo.name for photo in found.photos]} left out {sum(found.left_out.values())}"


def test_names_that_lead_out_of_an_archive_are_left_out(root, confined):
    tar_of(root / "a.tar", *[(member(name), PNG) for name in (*OUT_OF[:4], "in.png", ".hidden.png")])
    zip_of(root / "b.zip", **{name: PNG for name in (*OUT_OF, "in.png", "__MACOSX/in.png")})
    outcome = confined(lambda: kept(root))
    outcome.quiet()
    assert outcome.text == "['a.tar/in.png', 'b.zip/in.png'] left out 10", outcome
    assert sorted(p.name for p in root.parent.iterdir()) == ["secret.png", "set"]


def test_links_devices_and_pipes_are_left_out(root, confined):
    kinds = (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE)
    hostile = [(member(f"{i}.png", kind, "../secret.png"), b"") for i, kind in enumerate(kinds)]
    tar_of(root / "a.tar", *hostile, (member("in.png"), PNG))
    (root / "folder").symlink_to(root.parent)
    (root / "self").symlink_to(root)
    (root / "broken.png").symlink_to(root / "gone.png")
    os.mkfifo(root / "pipe.png")
    (root / "null.png").symlink_to("/dev/zero")
    outcome = confined(lambda: kept(root))
    outcome.quiet()
    assert outcome.text == "['a.tar/in.png'] left out 10", outcome


def test_odd_names_are_left_out_and_told(root, confined):
    for name in (
        b"line\nbreak.png",
        b"\xff\xfe.png",
        "\u2028.png".encode(),
        b"bell\x07.png",
        "grüße .png".encode(),
    ):
        Path(os.fsdecode(os.fsencode(root) + b"/" + name)).write_bytes(PNG)
    tar_of(root / "a.tar", (member("forged\n2026-01-01 INFO all is well.png"), PNG))
    outcome = confined(lambda: kept(root))
    outcome.quiet()
    assert outcome.text == "['grüße .png'] left out 5", outcome


def test_a_folder_too_deep_is_told(root, confined):
    def dig() -> None:
        os.chdir(root)
        for _ in range(60):
            os.mkdir("d" * 200)  # noqa: PTH102  (a Path would have too long a name)
            os.chdir("d" * 200)

    here = Path.cwd()
    try:
        dig()
    finally:
        os.chdir(here)
    (root / "a.png").write_bytes(PNG)
    outcome = confined(lambda: kept(root))
    outcome.quiet()
    assert outcome.text == "['a.png'] left out 1", outcome


def header_of(size: bytes, kind: bytes = b"0") -> bytes:
    return bombs.raw_header(b"a.png", size, kind)


TARS: dict[str, bytes] = {
    "negative": header_of(bombs.negative(-1024)) + bytes(2048),
    "negative-after-a-sound-one": header_of(b"%011o\0" % 0) + header_of(bombs.negative(-512)) + bytes(2048),
    "negative-long-name": header_of(bombs.negative(-512), b"L") + bytes(2048),
    "negative-pax": header_of(bombs.negative(-512), b"x") + bytes(2048),
    "long-name-of-gigabytes": header_of(b"77777777777\0", b"L") + bytes(2048),
    "long-name-too-long": header_of(b"%011o\0" % (2 * MAX_HEADER), b"L") + b"a" * (2 * MAX_HEADER),
    "headers-of-headers": bombs.pax_chain(3000) + header_of(b"%011o\0" % 0) + bytes(1024),
    "size-of-yottabytes": header_of(b"\x80" + b"\x7f" * 11) + bytes(1024),
    "no-tar": b"this is no archive" * 100,
    "empty": b"",
}


@pytest.mark.parametrize("name", TARS)
def test_a_hostile_tar_is_refused(name, root, confined):
    (root / f"{name}.tar").write_bytes(TARS[name])
    outcome = confined(lambda: kept(root))
    if name == "size-of-yottabytes" and not outcome.kind:
        pytest.fail(outcome.text)
    outcome.refused(f"{name}.tar" if outcome.text.find("no photographs") < 0 else "no photographs")


def test_a_member_that_unpacks_to_more_than_it_says_is_refused(root, confined):
    path = zip_of(root / "a.zip", **{"a.png": bytes(100_000_000)})
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\x01\x02")
    data[at + 24 : at + 28] = (100).to_bytes(4, "little")  # the directory says 100 bytes
    path.write_bytes(bytes(data))
    outcome = confined(lambda: kept(root))
    assert outcome.kind == "MemberError", outcome
    assert "promised" in outcome.text
    outcome.quiet()


def test_a_zip_directory_that_points_elsewhere_is_refused(root, confined):
    path = zip_of(root / "a.zip", **{"a.png": PNG})
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\x01\x02")
    for name, where, value in (("offset", at + 42, 2**31 - 1), ("size", at + 20, 2**32 - 2)):
        made = bytearray(data)
        made[where : where + 4] = value.to_bytes(4, "little")
        path.write_bytes(bytes(made))
        outcome = confined(lambda: kept(root))
        outcome.quiet()
        assert outcome.kind in ("MemberError", "PhotoSetError"), (name, outcome)


def test_tables_that_never_end_or_nest_for_ever_are_refused(root, confined):
    (root / "a.png").write_bytes(PNG)
    for text in (
        b"[" * 100_000,
        b'{"entries": 5}',
        b"[[]]",
        b'{"entries": [{"file": ' + b"9" * 6000 + b"}]}",
        b"\xff",
    ):
        (root / "photos.json").write_bytes(text)
        confined(lambda: kept(root)).refused("photos.json")


def test_ffhq_records_that_never_end_are_refused(root, confined):
    (root / "images1024x1024").mkdir()
    (root / "images1024x1024" / "00000.png").write_bytes(PNG)
    (root / "ffhq-dataset-v2.json").write_bytes(b'{"0": "' + b"a" * 40_000_000)
    confined(lambda: kept(root)).refused("ffhq-dataset-v2.json", "record of more than")
    (root / "ffhq-dataset-v2.json").write_bytes(b'{"0": ' + b"[" * 100_000)
    confined(lambda: kept(root)).refused("ffhq-dataset-v2.json")


def test_celebamask_numbers_that_are_none_are_left_alone(root, confined):
    (root / "CelebA-HQ-img").mkdir()
    (root / "CelebA-HQ-img" / "0.jpg").write_bytes(PNG)
    (root / "CelebA-HQ-to-CelebA-mapping.txt").write_text(
        "idx orig_idx orig_file\n² 1 a.jpg\n" + "9" * 5000 + " 1 b.jpg\n"
    )
    outcome = confined(lambda: kept(root))
    outcome.quiet()
    assert outcome.text.startswith("['CelebA-HQ-img/0.jpg']"), outcome


PARQUETS: dict[str, Callable[[Path], object]] = {
    "no-parquet": lambda p: p.write_bytes(b"PAR1" + bytes(100) + b"PAR1"),
    "footer-beyond": lambda p: p.write_bytes(b"PAR1" + b"\xff\xff\xff\x7f" + b"PAR1"),
    "no-pictures": lambda p: pq.write_table(pa.table({"a": [1, 2]}), p),
    "one-picture-a-million-times": lambda p: pq.write_table(
        pa.table({"image": pa.array([b"x"] * 1_000_000), "identity": pa.array(["a" * 100] * 1_000_000)}), p
    ),
}


@pytest.mark.parametrize("name", PARQUETS)
def test_a_hostile_parquet_file_is_refused(name, root, confined):
    PARQUETS[name](root / f"{name}.parquet")
    confined(lambda: kept(root)).refused(f"{name}.parquet")


NUMBERS = mat_element(9, bytes(8))
MATS = {
    "no-header": b"not a file of MATLAB",
    "version-73": b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM" + bytes(512),
    "version-4": b"\0\0\0\0" + bytes(200),
    "unpacks-to-much": mat_of(mat_element(15, bombs.zlib.compress(bytes(200_000_000)))),
    "cells-in-cells": bombs.deep_cells(100_000),
    "cells-without-bytes": mat_of(mat_matrix(b"Pose_Para", 1, (65_000, 65_000))),
    "struct-without-bytes": mat_of(
        mat_matrix(b"Pose_Para", 2, (65_000, 65_000), mat_element(5, b"\x08\0\0\0") + mat_element(1, b"a" * 64))
    ),
    "text-without-bytes": mat_of(mat_matrix(b"Pose_Para", 4, (65_000, 65_000), mat_element(4, b""))),
    "numbers-without-bytes": mat_of(mat_matrix(b"Pose_Para", 6, (65_000, 65_000), NUMBERS)),
    "many-dimensions": mat_of(mat_matrix(b"Pose_Para", 6, (1,) * 64, NUMBERS)),
    "sparse": mat_of(mat_matrix(b"Pose_Para", 5, (2, 2), NUMBERS)),
    "object": mat_of(mat_matrix(b"Pose_Para", 3, (2, 2), NUMBERS)),
    "function": mat_of(mat_matrix(b"Pose_Para", 16, (2, 2), NUMBERS)),
    "element-beyond": mat_of(b"\x0e\0\0\0\xff\xff\xff\x7f" + bytes(16)),
    "tag-cut": mat_of(b"\x0e\0\0"),
}  # fmt: skip


@pytest.mark.parametrize("name", MATS)
def test_a_hostile_mat_is_refused(name, root, confined):
    (root / "image00002.jpg").write_bytes(PNG)
    (root / "image00002.mat").write_bytes(MATS[name])
    confined(lambda: parameters(Tree.of(root), "image00002.jpg")).refused("image00002.mat")
    (root / "wiki.mat").write_bytes(MATS[name])
    confined(lambda: kept(root)).refused("wiki.mat")


def test_labels_that_are_not_finite_end_in_no_traceback(root, confined):
    cell = np.zeros((1, 2), object)
    cell[0, :] = "00/a.jpg", "../../secret.png"
    (root / "00").mkdir()
    (root / "00" / "a.jpg").write_bytes(PNG)
    numbers = {"gender": np.nan, "face_score": np.inf, "second_face_score": np.nan, "celeb_id": np.inf}
    columns = {name: np.full((1, 2), value) for name, value in numbers.items()}
    savemat(root / "imdb.mat", {"imdb": {"full_path": cell, "name": cell, **columns}})
    outcome = confined(lambda: kept(root))
    outcome.quiet()
    assert outcome.text.startswith("['00/a.jpg']"), outcome


@settings(max_examples=40, deadline=None)
@given(data=st.data(), suffix=st.sampled_from(["tar", "zip"]))
def test_mutated_archives_are_sets_or_sentences(data, suffix, tmp_path_factory):
    root = tmp_path_factory.mktemp("set")
    file = root / f"a.{suffix}"
    if suffix == "tar":
        tar_of(file, (member("in.png"), b"x" * 700), (member("b.json"), b"{}"))
    else:
        zip_of(file, **{"in.png": b"x" * 700, "b.json": b"{}"})
    file.write_bytes(data.draw(mutated(file.read_bytes())))
    found, told = ended(lambda: read_photos(root), PhotoSetError)
    for photo in found.photos if found else ():
        ended(photo.file().read_bytes, OSError)
    assert found or "." in told


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_mutated_mats_are_parameters_or_sentences(data, tmp_path_factory):
    root = tmp_path_factory.mktemp("set")
    parts = {"Pose_Para": np.ones((1, 7)), "pt3d_68": np.ones((3, 68)), "Shape_Para": np.ones((199, 1)),
             "Exp_Para": np.ones((29, 1))}  # fmt: skip
    savemat(root / "a.mat", parts, do_compression=data.draw(st.booleans()))
    (root / "a.mat").write_bytes(data.draw(mutated((root / "a.mat").read_bytes())))
    (root / "a.jpg").write_bytes(b"")
    found, told = ended(lambda: parameters(Tree.of(root), "a.jpg"), PhotoSetError)
    assert "a.mat" in told or np.isfinite(found.points).all()
