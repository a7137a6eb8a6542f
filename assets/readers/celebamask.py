"""CelebAMask-HQ as its owners publish it: 30,000 pictures of 1024², and a black-and-white PNG of 512² per class.

``CelebA-HQ-img/0.jpg`` has its masks in ``CelebAMask-HQ-mask-anno/0/00000_skin.png`` and so on; they are the parsing,
and no network is asked. ``CelebA-HQ-to-CelebA-mapping.txt`` leads to CelebA's names, so that with
``identity_CelebA.txt`` put beside it the splits are by person. Source: the data set's README, Lee et al., CVPR 2020.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from assets.readers.celeba import attribute_table, identities, looks
from assets.readers.photo_set import Photo
from assets.readers.tree import Tree

KIND, TITLE = "celebamask-hq", "CelebAMask-HQ, with its masks as parsing"
TERMS = "CelebAMask-HQ"
IMAGE = re.compile(r"(?:^|/)CelebA-HQ-img/(\d{1,9})\.(?:jpg|png)$")
MASK = re.compile(r"(?:^|/)CelebAMask-HQ-mask-anno/(?:\d+/)?(\d{5})_([a-z_]+)\.png$")

_NUMBER = re.compile(r"[0-9]{1,9}$")


def recognises(tree: Tree) -> bool:
    """Its picture folder."""
    return any(IMAGE.search(name) for name in tree.files)


def read(tree: Tree) -> Iterator[Photo]:
    """Every picture with its masks; one without any is parsed by the network."""
    masks: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for name, where in tree.files.items():
        if found := MASK.search(name):
            masks[int(found[1])].append((found[2], where))
    originals, people = _originals(tree), identities(tree)
    attributes = attribute_table(tree, "CelebAMask-HQ-attribute-anno.txt")
    for name, where in tree.files.items():
        if found := IMAGE.search(name):
            number = int(found[1])
            original = originals.get(number, "")
            person = people.get(original, "")
            yield Photo(
                where, name, f"celeba-{person}" if person else "", TERMS, "CelebAMask-HQ, Lee et al. 2020",
                original, "CelebAMask-HQ", tuple(sorted(masks.get(number, []))),
                looks(attributes.get(f"{number}.jpg", {})),
            )  # fmt: skip


def _originals(tree: Tree) -> dict[int, str]:
    """CelebA's file name by number: rows of "idx orig_idx orig_file" below a header."""
    name = tree.named("CelebA-HQ-to-CelebA-mapping.txt")
    rows = (line.split() for line in tree.text(name)) if name else ()
    return {int(words[0]): words[2] for words in rows if len(words) == 3 and _NUMBER.match(words[0])}
