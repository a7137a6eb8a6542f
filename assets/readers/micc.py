"""MICC Florence and its like: a folder of textured scans, from which images are rendered (facts §2.6).

    ROOT/subject_01/Model/frontal1/obj/110920150452.obj, .mtl, .bmp|jpg|png

One scan per subject, the first frontal one; a folder of another layout gives all its OBJ files. The published
evaluation renders five views of each; its renders are not given out, so ours are our own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from assets.readers.mesh import texture_beside
from assets.registry import AssetError


@dataclass(frozen=True)
class ScanCase:
    """One scan and its picture."""

    key: str
    mesh: Path
    picture: Path


def is_scan_folder(root: Path) -> bool:
    """Whether there are OBJ files with pictures beside them."""
    return any(texture_beside(path) is not None for path in sorted(root.rglob("*.obj"))[:8])


def read_micc(root: Path) -> Iterator[ScanCase]:
    """All scans, by subject.

    Raises:
        AssetError: there is none, or one has no picture.
    """
    subjects = sorted(p for p in root.glob("subject_*") if p.is_dir())
    found: list[tuple[str, Path]] = []
    for subject in subjects:
        scans = sorted(subject.rglob("*.obj"))
        frontal = [p for p in scans if any(part.lower().startswith("frontal") for part in p.parts)]
        found += [(subject.name, path) for path in (frontal or scans)[:1]]
    if not subjects:
        found = [
            (path.relative_to(root).with_suffix("").as_posix(), path) for path in sorted(root.rglob("*.obj"))
        ]
    if not found:
        msg = f"{root} has no scan (subject_*/…/*.obj): pass the folder that MICC Florence was unpacked to."
        raise AssetError(msg)
    for key, mesh in found:
        picture = texture_beside(mesh)
        if picture is None:
            msg = f"{mesh} has no picture, neither in its .mtl nor of its own name: unpack its texture beside it."
            raise AssetError(msg)
        yield ScanCase(key, mesh, picture)
