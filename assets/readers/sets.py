"""Photo sets of every kind: recognised by their files, or asked for by name as in ``ffhq:/data/ffhq``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from assets.readers import celeba, celebamask, ffhq, fitted, folder, hf_parquet, imdb_wiki, webdataset
from assets.readers.kinds import AUTO, NAMES
from assets.readers.photo_set import Photo, PhotoSet
from assets.readers.tree import PhotoSetError, Tree
from assets.registry import data_dir, ledger


@dataclass(frozen=True)
class Kind:
    """How one kind of photo set is recognised and read. ``named`` kinds are never taken unasked."""

    name: str
    title: str
    recognises: Callable[[Tree], bool]
    read: Callable[[Tree], Iterable[Photo]]
    named: bool = False


# In the order they are tried: the more particular first.
KINDS: tuple[Kind, ...] = (
    Kind(celebamask.KIND, celebamask.TITLE, celebamask.recognises, celebamask.read),
    Kind(celeba.KIND, celeba.TITLE, celeba.recognises, celeba.read),
    Kind("celeba-aligned", "CelebA, aligned", celeba.recognises, celeba.read_aligned, named=True),
    Kind(ffhq.KIND, ffhq.TITLE, ffhq.recognises, ffhq.read),
    Kind("ffhq-wild", "FFHQ in the wild", ffhq.recognises, ffhq.read_wild, named=True),
    Kind(imdb_wiki.KIND, imdb_wiki.TITLE, imdb_wiki.recognises, imdb_wiki.read),
    Kind(fitted.LP_KIND, fitted.LP_TITLE, fitted.recognises_lp, fitted.read_lp),
    Kind(fitted.AFLW_KIND, fitted.AFLW_TITLE, fitted.recognises_aflw, fitted.read_aflw),
    Kind(hf_parquet.KIND, hf_parquet.TITLE, hf_parquet.recognises, hf_parquet.read),
    Kind(webdataset.KIND, webdataset.TITLE, webdataset.recognises, webdataset.read),
    Kind(folder.KIND, folder.TITLE, folder.recognises, folder.read),
)


def shipped_photos() -> PhotoSet:
    """The photographs that ship, with what the ledger says of each."""
    book = ledger()
    found = [
        Photo(str(book.path(e.name)), Path(e.path).name, "", e.licence, e.attribution, e.source)
        for e in book.entries("photo")
    ]
    return PhotoSet(
        folder.KIND, "those that ship", data_dir() / "photos", tuple(sorted(found, key=lambda one: one.name))
    )


def _told(tree: Tree) -> str:
    out = ", ".join(f"{n} {why}" for why, n in sorted(tree.left_out.items()) if n)
    return f" ({out})" if out else ""


def read_photos(root: Path, kind: str = AUTO) -> PhotoSet:
    """The photographs of a set, by name.

    Args:
        root: folder, .tar, .zip or .parquet file.
        kind: one of ``NAMES``, or ``auto`` to recognise it.

    Raises:
        PhotoSetError: nothing there, no photographs, another kind than the one asked for, or a damaged file.
    """
    tree = Tree.of(root)
    if kind == AUTO:
        chosen = next((one for one in KINDS if not one.named and one.recognises(tree)), None)
        if chosen is None:
            what = (
                f"{len(tree.files)} files, but none with the suffix of a picture"
                if tree.files
                else "no files"
            )
            msg = f"{root} has no photographs ({what}); pass another folder with --photos."
            raise PhotoSetError(msg)
    else:
        chosen = next((one for one in KINDS if one.name == kind), None)
        if chosen is None:
            msg = f"there is no kind of photo set '{kind}'; use one of {', '.join(NAMES)}, or leave it out."
            raise PhotoSetError(msg)
        if not chosen.recognises(tree):
            msg = f"{root} has not the files of '{kind}' ({chosen.title}); docs/bring-your-own.md says which those are."
            raise PhotoSetError(msg)
    photos = sorted(chosen.read(tree), key=lambda photo: photo.name)
    if not photos:
        msg = (
            f"{root} was taken for {chosen.title}, but has no photograph of it{_told(tree)}; force another kind, as in "
            f"folder:{root}."
        )
        raise PhotoSetError(msg)
    return PhotoSet(chosen.name, chosen.title, root, tuple(photos), tree.left_out)
