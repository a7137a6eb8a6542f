"""Names of the kinds of photo sets, for whoever must know them before anything is read (by ``assets.readers.sets``)."""

from __future__ import annotations

AUTO = "auto"
# In the order in which a set is tried to be recognised, the more particular first.
NAMES = (
    "celebamask-hq", "celeba", "celeba-aligned", "ffhq", "ffhq-wild", "imdb-wiki", "300w-lp", "aflw2000-3d",
    "parquet", "webdataset", "folder",
)  # fmt: skip


def split_kind(text: str) -> tuple[str, str]:
    """Kind and path of ``ffhq:/data/ffhq``; ``auto`` and the text itself where no kind stands before the colon."""
    kind, colon, path = text.partition(":")
    return (kind, path) if colon and kind in NAMES else (AUTO, text)
