"""What licences allow: a small vocabulary of SPDX ids and data-set terms, and one verdict over many of them.

The question is always the same: may pictures and shapes that were *made with* these files be published, and may they be
used commercially? What is not in the vocabulary answers "ask", which allows neither. This is a reading of the terms for
people who build data sets, not legal advice; whoever publishes reads the terms named in the verdict.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar


@dataclass(frozen=True)
class Terms:
    """What one licence allows of things made with the file.

    ``known`` is False for text that the vocabulary does not have: ask the owner. ``never`` marks terms that forbid
    publication of everything derived, where no permission recorded by the user of this project helps.
    """

    name: str
    publish: bool = True
    commercial: bool = True
    attribution: bool = False
    share_alike: str = ""  # the licence under which derived things must be passed on, without its version
    never: bool = False
    known: bool = True


_FREE = Terms("", attribution=False)
_CREDIT = Terms("", attribution=True)
_RESEARCH = Terms("", publish=False, commercial=False, attribution=True)
# Licence families, tried in order on the folded text (lower case, single hyphens, version cut off).
_FAMILIES: tuple[tuple[str, Terms], ...] = (
    # First, and wherever the name stands: no wording of a ledger makes these free.
    (r".*facescape.*", replace(_RESEARCH, never=True)),
    (r".*headspace.*|.*lyhm.*", _RESEARCH),
    (
        r"cc0|cc-?pdm|pddl|unlicense|0bsd|mit-0|wtfpl|public-domain|.*\(public-domain\)|us-government-work.*",
        _FREE,
    ),
    (r"own|licenseref-own", _FREE),
    (r"cc-by", _CREDIT),
    (r"cc-by-sa", replace(_CREDIT, share_alike="CC-BY-SA")),
    (r"cc-by-nc", replace(_CREDIT, commercial=False)),
    (r"cc-by-nc-sa", replace(_CREDIT, commercial=False, share_alike="CC-BY-NC-SA")),
    # A pair is an adaptation of its photograph, and "no derivatives" lets adaptations be made but not shared.
    (r"cc-by-nd", replace(_CREDIT, publish=False)),
    (r"cc-by-nc-nd", replace(_CREDIT, publish=False, commercial=False)),
    (r"mit|bsd(-[234]-clause.*)?|apache|isc|zlib|bsl|python|psf", _CREDIT),
    (r"odc-by|cdla-permissive|ofl", _CREDIT),
    (r"odbl|cdla-sharing|(a|l)?gpl.*", replace(_CREDIT, share_alike="as their licence")),
    # Weights or labels for research: what was computed with them may be shown, but not sold.
    (r"non-commercial-research.*|research-only.*", Terms("", commercial=False, attribution=True)),
    # Agreements that a data set's owners ask to be signed or accepted (docs/bring-your-own.md has the sources).
    (r"celeba|celeba-in-the-wild|celebamask-hq", _RESEARCH),
    (r"imdb-wiki", _RESEARCH),
    (r"aflw2000-3d|300w-lp|aflw", _RESEARCH),
    (r"bfm|basel-face-model|multipie", _RESEARCH),
    (r"ffhq", replace(_CREDIT, commercial=False, share_alike="CC-BY-NC-SA")),
    (r"flame", _CREDIT),
    (r"ict-facekit", _CREDIT),
)
_VERSION = re.compile(r"-v?\d+(\.\d+)*(-or-later|-only|\+)?$")
# As Flickr, Wikimedia and hubs of data sets write them.
_ALIASES: Mapping[str, str] = {
    "attribution-license": "cc-by",
    "attribution-noncommercial-license": "cc-by-nc",
    "attribution-sharealike-license": "cc-by-sa",
    "attribution-noncommercial-sharealike-license": "cc-by-nc-sa",
    "attribution-noderivs-license": "cc-by-nd",
    "attribution-noncommercial-noderivs-license": "cc-by-nc-nd",
    "public-domain-mark": "cc-pdm",
    "public-domain-dedication-(cc0)": "cc0",
    "public-domain-dedication": "cc0",
    "united-states-government-work": "us-government-work",
    "u.s.-government-works": "us-government-work",
    "publicdomain": "public-domain",
    "pd": "public-domain",
}


def terms(licence: str) -> Terms:
    """What a licence allows; `` AND `` joins several, all of which then hold. Unknown or empty text allows nothing."""
    parts = [part for part in re.split(r"\s+AND\s+", licence.strip()) if part]
    found = [_one(part) for part in parts] or [_one("")]
    if len(found) == 1:
        return found[0]
    kinds = sorted({one.share_alike for one in found if one.share_alike})
    return Terms(
        licence,
        publish=all(one.publish for one in found) and len(kinds) < 2,
        commercial=all(one.commercial for one in found),
        attribution=any(one.attribution for one in found),
        share_alike=" AND ".join(kinds),
        never=any(one.never for one in found),
        known=all(one.known for one in found),
    )


def _one(licence: str) -> Terms:
    folded = re.sub(r"[\s_/-]+", "-", licence.strip().lower().removeprefix("license:")).strip("-.")
    folded = _VERSION.sub("", folded)
    folded = _VERSION.sub("", _ALIASES.get(folded, folded))
    for pattern, meaning in _FAMILIES:
        if folded and re.fullmatch(pattern, folded):
            return replace(meaning, name=licence.strip())
    return Terms(licence.strip() or "not stated", False, False, True, known=False)


@dataclass(frozen=True)
class Verdict:
    """What may be done with something made from many files.

    ``against_*`` name what forbids it, most files first, as "31 photographs (not stated)".
    """

    publish: bool
    commercial: bool
    never: bool
    share_alike: tuple[str, ...]
    attribution: tuple[str, ...]
    against_publishing: tuple[str, ...]
    against_commerce: tuple[str, ...]
    unknown: bool  # some terms are not known: asking may change the verdict

    NAMED: ClassVar[int] = 3  # files that the one line names

    @property
    def line(self) -> str:
        """The verdict as one sentence."""
        if self.publish:
            said = "may be published " + ("and" if self.commercial else "but not") + " used commercially"
        elif self.commercial:
            said = "may be used commercially but not published"
        else:
            said = "may neither be published nor used commercially"
        against = self.against_publishing or self.against_commerce
        if against:
            said += f", because of {_join(against, self.NAMED)}"
        if self.never:
            said += "; this cannot be overruled"
        elif self.unknown and not self.publish:
            said += "; ask their owners, and state the answer in the ledger"
        if self.publish and self.share_alike:
            said += f"; it must be passed on under {' and '.join(self.share_alike)}"
        return said + "."

    def as_dict(self) -> dict[str, Any]:
        """JSON-able, with the line."""
        return {**asdict(self), "line": self.line}


def verdict(rows: Iterable[Mapping[str, Any]]) -> Verdict:
    """The verdict over ledger rows: ``kind``, ``name``, ``licence``, ``attribution``; ``commercial`` False forbids
    commerce whatever the licence says, ``count`` is how many files a row stands for (1 when absent)."""
    publish: dict[str, int] = {}
    commerce: dict[str, int] = {}
    shared: dict[str, int] = {}
    credits: list[str] = []
    never = unknown = False
    for row in rows:
        meaning, count = terms(str(row.get("licence", ""))), int(row.get("count", 1))
        what = _what(row, meaning.name, count)
        never |= meaning.never
        unknown |= not meaning.known
        if not meaning.publish:
            publish[what] = publish.get(what, 0) + count
        if not (meaning.commercial and row.get("commercial", True)):
            commerce[what] = commerce.get(what, 0) + count
        if meaning.share_alike:
            shared[meaning.share_alike] = shared.get(meaning.share_alike, 0) + count
        if meaning.attribution and row.get("attribution"):
            credits.append(f"{row['attribution']} ({meaning.name})")
    if len(shared) > 1:
        kinds = " and ".join(sorted(shared))
        publish[f"licences that each demand to be the only one ({kinds})"] = sum(shared.values())
    return Verdict(
        not publish,
        not commerce,
        never,
        tuple(sorted(shared)),
        tuple(dict.fromkeys(credits)),
        tuple(sorted(publish, key=lambda what: (-publish[what], what))),
        tuple(sorted(commerce, key=lambda what: (-commerce[what], what))),
        unknown,
    )


def _what(row: Mapping[str, Any], licence: str, count: int) -> str:
    if row.get("kind") == "photo" and count > 1:
        return f"{count} photographs ({licence})"
    kind = {"photo": "photograph"}.get(str(row.get("kind", "")), str(row.get("kind", "file")))
    return f"{kind} '{row.get('name', '')}' ({licence})"


def _join(items: tuple[str, ...], most: int) -> str:
    shown = list(items[:most])
    if len(items) > most:
        shown.append(f"{len(items) - most} more")
    return shown[0] if len(shown) == 1 else ", ".join(shown[:-1]) + " and " + shown[-1]
