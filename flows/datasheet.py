"""The store's datasheet: the seven headings of "Datasheets for Datasets" (Gebru et al. 2021), answered from its files.

Every number comes from the plan, the commits, the licence ledger or the audit; what nobody measured is said to be open.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flows.licences import permissions, store_ledger, store_verdict
from flows.poses import by_yaw, pose_yields
from flows.summary import stage_yields
from storage.files import write_replace
from storage.generation import generations, latest
from storage.store import Store

FILE = "datasheet.md"


def write_datasheet(store: Store) -> Path:
    """Write ``datasheet.md`` into the store."""
    target = store.root / FILE
    write_replace(target, datasheet(store).encode())
    return target


def datasheet(store: Store) -> str:
    """The datasheet as Markdown."""
    published = latest(store.root)
    lines = [f"# Datasheet of {store.root.absolute().name}", ""]
    lines.append(
        f"Generation `{published.name}`, hash `{published.hash}`; "
        if published
        else "Nothing is published yet; "
    )
    lines[-1] += f"plan `{store.plan.hash[:16]}`, fingerprint `{store.fingerprint[:16]}`."
    audit = _audit(store)
    chapters = {
        "Motivation": _motivation(),
        "Composition": _composition(store),
        "Collection process": _collection(store),
        "Preprocessing, cleaning, labelling": _labelling(store, audit),
        "Uses": _uses(store, audit),
        "Distribution": _distribution(store),
        "Maintenance": _maintenance(store),
    }
    for title, text in chapters.items():
        lines += ["", f"## {title}", "", *text]
    return "\n".join(lines) + "\n"


def _motivation() -> list[str]:
    return [
        "Networks that reconstruct a face from one photograph need photographs with exact shapes, which scanning gives "
        "only for studio pictures. These pairs put a rendered face with a known shape into photographs taken anywhere, "
        "after RAFaRe (AAAI 2023). Who made this store, and who paid for it, the store does not know: add it when you "
        "pass it on.",
    ]


def _composition(store: Store) -> list[str]:
    counts, rows = store.counts(), store.plan.rows
    splits = Counter(row.split for row in rows)
    used = {name: len({getattr(row, name) for row in rows}) for name in ("source", "head", "texture")}
    photos = len({row.source[:16] for row in rows})
    size = store.schema.sizes
    lines = [
        f"Each instance is a pair: a picture and its shape. {counts.planned} were planned, {counts.committed} are in "
        f"the store, {counts.rejected} were rejected with a reason, {counts.pending} are pending.",
        "",
        f"Planned in splits: {', '.join(f'{name} {count}' for name, count in sorted(splits.items()))}; no photograph "
        f"is in two. They come from {photos} photographs with {used['source']} faces, {used['head']} head models and "
        f"{used['texture']} textures. Accepted by yaw: {by_yaw(pose_yields(store))}.",
        "",
        "| field | array | unit | frame | lossless |",
        "|---|---|---|---|---|",
    ]
    for spec in store.schema.fields:
        shape = ", ".join(str(size.get(str(side), side)) for side in spec.shape)
        exact = "yes" if spec.lossless else "no"
        lines.append(f"| {spec.name} | {spec.dtype} ({shape}) | {spec.unit} | {spec.frame} | {exact} |")
    return [
        *lines, "",
        "Sizes in the table are those of this store. Nothing refers to files outside it. Pictures show faces: hair, "
        "clothes and background are those of the photographs, so people may be recognised. No names, ages or origins "
        "of people are stored; the identity of a pair's shape is drawn at random.",
    ]  # fmt: skip


def _collection(store: Store) -> list[str]:
    rows = [row for row in store_ledger(store) if row["kind"] == "photo"]
    lines = (
        ["Photographs, by licence and collection:", ""]
        if rows
        else ["Where the photographs come from is not stated."]
    )
    for row in rows:
        what = f"{row['count']} photographs" if row["count"] > 1 else row["name"]
        by = f", {row['attribution']}" if row["attribution"] else ""
        lines.append(f"- {what}: {row['licence']}{by}")
    return [
        *lines, "",
        "Whether the people in them were asked, the store does not know; it is the duty of whoever gave the "
        "photographs. Which photographs and faces were no source, and why, is in `snapshot/sources.parquet`.",
    ]  # fmt: skip


def _labelling(store: Store, audit: Mapping[str, Any] | None) -> list[str]:
    counts = store.counts()
    lines = [
        "Labels are computed, not annotated: they are evaluated on the mesh that was rendered into the picture. "
        "Outside the seam of the new face photographs stay as they were, unless the head was turned. The raw "
        "photographs are not in the store.",
        "", "| stage | rows in | rejected | reasons |", "|---|---|---|---|",
    ]  # fmt: skip
    for stage in stage_yields(store):
        reasons = ", ".join(f"{name} {count}" for name, count in sorted(stage["rejects"].items()))
        lines.append(f"| {stage['stage']} | {stage['rows']} | {stage['rejected']} | {reasons} |")
    if counts.reasons:
        told = ", ".join(
            f"{name} {count}" for name, count in sorted(counts.reasons.items(), key=lambda kv: -kv[1])
        )
        lines += [
            "",
            f"Rejected in the end: {told}. The table tells of the first making, not of retries.",
        ]
    if audit is None:
        return [*lines, "", f"Not audited: type `facepairs audit {store.root.absolute().name}`."]
    lines += [
        "",
        f"Audited on {audit['pairs']} pairs by observers that took no part in making them:",
        "",
        "| measure | value | limit | met |",
        "|---|---|---|---|",
    ]
    for row in audit["thresholds"]:
        value = "not measured" if row["value"] is None else f"{row['value']:.3g}"
        met = {True: "yes", False: "no", None: "open"}[row["met"]]
        lines.append(f"| {row['what']} | {value} | {row['way']} {row['limit']:.3g} | {met} |")
    return lines


def _uses(store: Store, audit: Mapping[str, Any] | None) -> list[str]:
    textures = Counter(row.texture for row in store.plan.rows)
    worn = ", ".join(
        f"{name} {100 * count / len(store.plan):.0f} %" for name, count in textures.most_common(3)
    )
    lines = [
        "Made to train networks that reconstruct the shape of a face from one picture. Not fit to identify people, to "
        "judge them, or to make pictures that pass as photographs of somebody.",
        "",
        f"What may bias a network: the textures used most are {worn}; shapes are those that the head model can make; "
        "poses beyond the photographs' own are made by turning the head.",
    ]
    if audit is not None:
        tones = audit["coverage"].get("tone", {}).get("counts", {})
        total = sum(tones.values()) or 1
        most = sorted(tones.items(), key=lambda item: (-item[1], item[0]))
        shares = ", ".join(f"{name} {100 * count / total:.0f} %" for name, count in most)
        if shares:
            lines += ["", f"Skin tones (individual typology angle) of the accepted pairs: {shares}."]
    return lines


def _distribution(store: Store) -> list[str]:
    found = store_verdict(store)
    lines = [f"By the licence ledger this store {found.line}"]
    if found.attribution:
        lines += ["", "To be named with it:", "", *(f"- {credit}" for credit in found.attribution)]
    against: Sequence[Mapping[str, Any]] = [one for one in permissions(store) if one["despite"]]
    for one in against:
        lines += ["", f"Against the ledger, on {one['at']}, for {one['action']}: {one['despite']}"]
    return lines


def _maintenance(store: Store) -> list[str]:
    names = generations(store.root)
    told = f"{len(names)} so far, `{names[0]}` to `{names[-1]}`" if names else "none so far"
    return [
        f"Generations are immutable and numbered ({told}); `facepairs diff` says what changed between two. The same "
        "plan, code, weights and kind of processor give the same bytes, so a damaged shard can be made again. "
        "`facepairs verify --deep` proves a copy whole. Whom to write to, the store does not know: add it when you "
        "pass it on.",
    ]


def _audit(store: Store) -> Mapping[str, Any] | None:
    if not (store.root / "audit" / "audit.json").is_file():
        return None
    from flows.audit import read_audit  # loads torch, which workers that make pairs may never need

    return read_audit(store.root)
