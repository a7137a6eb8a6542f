"""Imports textures of published sets into the pool: scans of one topology, scans of any, colours of a head model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from assets.appearance import measure, portrait
from assets.atlas import Atlas, fill
from assets.bake import Baked
from assets.heads.cap import cap_vertices
from assets.heads.lay_texture import AtlasLay, eye_mask, lay_atlas
from assets.heads.raw import EYES, PUPILS_MM
from assets.mixes import plain_skins
from assets.readers.facescape_tu import (
    TuPerson,
    publishable,
    read_displacement,
    read_texture,
    read_tu_mesh,
    tu_people,
)
from assets.readers.headspace import HeadspaceSubject, headspace_subjects, read_subject
from assets.readers.mesh import Scan
from assets.registry import (
    OWN,
    AssetError,
    Entry,
    asset_path,
    default_head,
    fetched_dir,
    head_model,
    ledger,
    texture_pool,
)
from assets.scan import bake_scan
from assets.textures import ATLAS_SIZE, save_texture
from flows.import_heads import FACESCAPE, Say, Terms, own_entry
from models.geometry.similarity import Similarity
from models.heads.fit_surface import fit_surface
from models.heads.linear import LinearHead
from models.heads.target import Target
from models.networks.face_landmarker import FaceFinder, FaceLandmarker
from tasks.scan_view import find_marks, into_head

RELIEF_SIZE = 512  # texels of a stored displacement: as many as the relief is read at
HEADSPACE = Terms(
    "HeadSpace", "HeadSpace", "University of York and Alder Hey Hospital", False,
    "Non-commercial research at universities; may not be passed on.",
)  # fmt: skip


def install_colours(
    head_name: str, colours: UInt8[np.ndarray, "n v 3"], terms: Terms, say: Say
) -> list[Entry]:
    """Textures in a head's own atlas from colours of the published vertices; black is unknown and filled."""
    head = head_model(head_name)
    with np.load(asset_path(head_name), allow_pickle=False) as file:
        published = file["published"]
    atlas = Atlas(head, ATLAS_SIZE)
    made = []
    for number, own in enumerate(colours):
        values = np.where((published >= 0)[:, None], own[published], 0).astype(np.float32)
        known = (values.sum(1) > 0).astype(np.float32)
        image = atlas.on_surface(values)
        weight = atlas.on_surface(known[:, None])[..., 0] > 0.999
        filled = np.rint(np.clip(fill(image, weight), 0, 255)).astype(np.uint8)
        name = f"{head_name}_colour_{number:02d}"
        made.append(save(name, filled, weight & atlas.face, head, terms, {"subject": name}))
        say(f"{name}: drawn from the colour model")
    return made


def import_facescape_tu(
    folder: Path, model: str, listed: Path | None, most: int | None, say: Say
) -> list[Entry]:
    """Textures and displacements of TU scans.

    Args:
        folder: of persons, or one person's.
        model: name of the imported bilinear model, which knows the landmarks in the scans' topology.
        listed: the owners' list of persons that publications may show; the ledger keeps who is on it.
        most: persons to take.
        say: gets a line per person.

    Raises:
        AssetError: no scans, another topology, or no bilinear model was imported. A person whose files are damaged is
            named and left out.
    """
    marks = _landmarks_10(model)
    people = tu_people(folder)[:most]
    shown = publishable(listed) if listed else frozenset()
    atlas = Atlas(default_head(), ATLAS_SIZE)
    skins = plain_skins(texture_pool())
    lay, inner_eyes = _lay_of(atlas, people[0], marks)
    hidden = eye_mask(atlas)
    made = []
    for person in people:
        name = f"facescape_{person.number:03d}"
        try:
            baked = lay.texture(read_texture(person.texture), skins, hidden if person.mosaic else None)
            deep = person.displacement and read_displacement(person.displacement, inner_eyes)
        except (AssetError, ValueError) as error:
            say(f"{name}: {error}")
            continue
        tags = {
            "subject": name,
            "publishable_person": str(person.number in shown).lower(),
            "eyes": "painted" if person.mosaic else "photographed",
        }
        if deep is not None:
            relief = lay.displacement(deep, RELIEF_SIZE)
            file = fetched_dir() / OWN / f"{name}_relief.npz"
            file.parent.mkdir(parents=True, exist_ok=True)
            np.savez_compressed(file, allow_pickle=False, mm=relief.astype(np.float16))
            tags["displacement"] = own_entry(
                f"{name}_relief", "texture", file, FACESCAPE, {"part": "displacement"}
            ).name
        made.append(save(name, baked.image, baked.valid, default_head(), FACESCAPE, tags))
        say(f"{name}: {baked.share:.0%} of the face, {tags['eyes']} eyes")
    if not made:
        msg = f"none of the {len(people)} persons in {folder} gave a texture; the lines above say why."
        raise AssetError(msg)
    return made


def import_headspace(folder: Path, most: int | None, say: Say) -> list[Entry]:
    """Textures of HeadSpace scans: caps masked, landmarks found on drawn pictures of the scan.

    Raises:
        AssetError: no subjects, or none gives a texture. A scan that is damaged or shows no face is named and left out.
    """
    subjects = headspace_subjects(folder)[:most]
    atlas = Atlas(default_head(), ATLAS_SIZE)
    skins = plain_skins(texture_pool())
    finder = FaceLandmarker(asset_path("face_landmarker"))
    made = []
    for subject in subjects:
        try:
            baked = _bare_texture(subject, atlas, skins, finder)
        except (AssetError, ValueError) as error:
            say(f"subject {subject.number}: {error}")
            continue
        name = f"headspace_{subject.number}"
        made.append(save(name, baked.image, baked.valid, default_head(), HEADSPACE, {"subject": name}))
        say(f"{name}: {baked.share:.0%} of the face")
    if not made:
        msg = f"none of the {len(subjects)} scans in {folder} gave a texture; the lines above say why."
        raise AssetError(msg)
    return made


def _bare_texture(
    subject: HeadspaceSubject, atlas: Atlas, skins: Mapping[str, np.ndarray], finder: FaceFinder
) -> Baked:
    """The texture of one scan, without its cap."""
    mesh, picture = read_subject(subject)
    head = atlas.head
    faces, face_uvs = mesh.triangles()
    scan = Scan(mesh.vertices, faces.astype(np.int32), mesh.uvs.astype(np.float32), face_uvs, picture)
    found = find_marks(scan, head, finder)
    marks = found.points(scan.vertices)
    upright = into_head(marks, head.landmarks(head.mean).astype(np.float64))
    seen = upright(found.nearest(scan.vertices))
    bare = ~cap_vertices(upright(scan.vertices), _vertex_colours(scan), seen)[faces].any(1)
    scan = replace(scan, faces=scan.faces[bare], face_uvs=face_uvs[bare])
    target = Target.of(scan.vertices, scan.faces)
    fit = fit_surface(head, target, marks, None)
    vertices = head.vertices(fit.identity, fit.expression)
    return bake_scan(scan, target.moved(fit.into_head), vertices, atlas, skins)


def save(
    name: str, image: np.ndarray, valid: np.ndarray, head: LinearHead, terms: Terms, tags: Mapping[str, str]
) -> Entry:
    """Write a texture of a head's atlas into the pool, with what can be told of its looks."""
    there = ledger().entries_by_name.get(name)
    if there is not None and not there.path.startswith(f"{OWN}/"):
        msg = f"the ledger has a {there.kind} '{name}' already; rename or delete one of the two."
        raise AssetError(msg)
    file = fetched_dir() / OWN / f"{name}.webp"
    save_texture(file, image, valid)
    tone = measure(*portrait(head, image))["tone"]
    known = {} if np.isnan(tone) else {"tone": f"{tone:.2f}"}
    home = {"part": "skin", "head": head.name, "atlas": Atlas(head, ATLAS_SIZE).fingerprint}
    return own_entry(name, "texture", file, terms, {**home, **known, **tags})


def _landmarks_10(model: str) -> np.ndarray:
    """Landmark vertices of the TU topology, from an imported bilinear model."""
    if model not in ledger().entries_by_name:
        msg = f"there is no head '{model}': import the bilinear model first, with `facepairs assets import facescape`."
        raise AssetError(msg)
    with np.load(asset_path(model), allow_pickle=False) as file:
        if "landmarks_10" in file.files:
            return file["landmarks_10"]
    msg = f"head '{model}' does not know the landmarks of TU scans; name an imported FaceScape model with --model."
    raise AssetError(msg)


def _lay_of(atlas: Atlas, person: TuPerson, marks: np.ndarray) -> tuple[AtlasLay, float]:
    """The way from the bundled atlas into the TU texture, and the distance of the inner eye corners, mm."""
    mesh = read_tu_mesh(person)
    faces, face_uvs = mesh.triangles()
    known = marks >= 0
    if known[17:].sum() < 40 or not known[[36, 39, 42, 45]].all():
        msg = f"only {int(known.sum())} of 68 landmarks are known in the TU topology; import facescape_bm_v1.6 whole."
        raise AssetError(msg)
    points = mesh.vertices[np.maximum(marks, 0)]
    reference = atlas.head.landmarks(atlas.head.mean).astype(np.float64)
    into = Similarity.between(reference[known], points[known])
    points[~known] = into(reference)[~known]
    scale = PUPILS_MM / float(np.linalg.norm(points[EYES[0]].mean(0) - points[EYES[1]].mean(0)))
    lay = lay_atlas(
        atlas, mesh.vertices * scale, faces, points * scale, mesh.uvs.astype(np.float32), face_uvs
    )
    return lay, scale * float(np.linalg.norm(points[42] - points[39]))


def _vertex_colours(scan: Scan) -> UInt8[np.ndarray, "v 3"]:
    """Colour of each vertex: the picture at one of its corners."""
    triangle, corner = np.zeros((2, len(scan.vertices)), np.int64)
    order = np.arange(3 * len(scan.faces))
    triangle[scan.faces.ravel()], corner[scan.faces.ravel()] = np.divmod(order, 3)
    return scan.colour(triangle, np.eye(3)[corner])
