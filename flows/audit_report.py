"""The audit for people: one list of sections, written as a self-contained page and as a small Markdown report."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2

from flows import charts
from flows.audit_pictures import gap_strips
from models.heads.linear import LinearHead
from storage.files import write_replace
from storage.store import Store
from tasks.audit_measure import SETS, Calibration, Looked
from tasks.gap import PARTS

TEMPLATE = Path(__file__).with_name("audit.html")
CLEAR = 1.2  # times the renders' gap from which that of photographs says something
NAMES = {"photo": "fitted photographs", "pair": "pseudo pairs", "render": "plain renders"}
Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Plot:
    """An SVG and what it shows."""

    name: str
    svg: str
    caption: str


@dataclass(frozen=True)
class Shot:
    """A picture and what it shows."""

    name: str
    webp: bytes
    caption: str

    @property
    def url(self) -> str:
        """The picture as a data URL."""
        return "data:image/webp;base64," + base64.b64encode(self.webp).decode()


@dataclass(frozen=True)
class Section:
    """A chapter: sentences, tables (first row: heads), plots, pictures."""

    title: str
    text: tuple[str, ...] = ()
    tables: tuple[Sequence[Sequence[str]], ...] = ()
    plots: tuple[Plot, ...] = ()
    shots: tuple[Shot, ...] = field(default=())


@dataclass(frozen=True, eq=False)
class Findings:
    """All that an audit found: what the report is written from."""

    store: Store
    summary: Mapping[str, Any]
    rows: Rows  # of the audited pairs
    looked: Sequence[Looked]  # the same pairs
    known: Mapping[tuple[str, int], Calibration]
    photos: Mapping[tuple[str, str], Mapping[str, Any]]  # notes by head and source
    rejects: Rows
    heads: Callable[[str], LinearHead]


def write_page(path: Path, found: Findings) -> None:
    """Write the page with everything in it; nothing is loaded from elsewhere."""
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    html = environment.from_string(TEMPLATE.read_text()).render(
        title=f"Audit of {found.summary['store']}",
        lead=_lead(found.summary),
        sections=_sections(found, shots=6),
    )
    write_replace(path, html.encode())


def write_report(folder: Path, found: Findings) -> None:
    """Write ``index.md``, its plots as SVG and its pictures as WebP into a folder; ``index.md`` comes last."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"# Audit of `{found.summary['store']}`", "", _lead(found.summary), ""]
    for section in _sections(found, shots=4):
        lines += [f"## {section.title}", ""]
        for text in section.text:
            lines += [text, ""]
        for table in section.tables:
            lines += ["| " + " | ".join(table[0]) + " |", "|---" * len(table[0]) + "|"]
            lines += ["| " + " | ".join(row) + " |" for row in table[1:]] + [""]
        for plot in section.plots:
            write_replace(folder / f"{plot.name}.svg", plot.svg.encode())
            lines += [f"![{plot.caption}]({plot.name}.svg)", "", f"*{plot.caption}*", ""]
        for shot in section.shots:
            write_replace(folder / f"{shot.name}.webp", shot.webp)
            lines += [f"![{shot.caption}]({shot.name}.webp)", "", f"*{shot.caption}*", ""]
    write_replace(folder / "index.md", "\n".join(lines).encode())


def _lead(summary: Mapping[str, Any]) -> str:
    return (
        f"{summary['pairs']} accepted pairs at {summary['size']}², from {summary['photos']} photographs, looked at by "
        f"observers that took no part in making them ({summary['generation'] or 'not published'}, state "
        f"{summary['state'][:12]}). What each number means: docs/audit.md."
    )


def _sections(found: Findings, shots: int) -> list[Section]:
    summary, rows = found.summary, found.rows
    strips = gap_strips(found.store, rows, found.looked, found.known, found.photos, found.heads, shots)
    return [
        _verdict(summary), _gap(summary, rows, strips), _natural(summary, rows), _coverage(summary),
        _yield(summary, found.rejects), _cost(summary),
    ]  # fmt: skip


def _verdict(summary: Mapping[str, Any]) -> Section:
    table = [("number", "value", "wanted", "")]
    for row in summary["thresholds"]:
        met = {None: "not measured", True: "met", False: "missed"}[row["met"]]
        table.append((row["what"], _n(row["value"], 3), f"{row['way']} {row['limit']:.3f}", met))
    return Section("Thresholds", tables=(table,))


def _gap(summary: Mapping[str, Any], rows: Rows, strips: Sequence[tuple[str, bytes, str]]) -> Section:
    gap = summary["gap"]
    table = [
        (
            "part",
            *(f"{NAMES[name]}, px" for name in SETS),
            "± pairs",
            "pairs / fitted",
            "pairs / renders",
            "measured",
        )
    ]
    for part in (*PARTS, "all"):
        means = {name: gap[name][part]["mean"] for name in SETS}
        of_fitted, of_floor = _ratio(means["pair"], means["photo"]), _ratio(means["pair"], means["render"])
        error = _n(gap["pair"][part]["error"]) if part != "all" else ""
        share = f"{100 * gap['pair'][part]['measured']:.0f} %" if part != "all" else ""
        table.append((part, *(_n(means[name]) for name in SETS), error, of_fitted, of_floor, share))
    table.append(
        ("all, % of inter-ocular", *(_n(gap[name]["all"]["percent"]) for name in SETS), "", "", "", "")
    )
    over = [gap[name]["all"]["mean"] for name in SETS]
    text = [
        "Distance between the contours of the projected shape and those that the parser finds in the picture. Plain "
        "renders agree with their shape by nature: what is left there is the parser's own noise, below which nothing "
        "can be measured."
    ]
    if None not in over:
        text.append(above_noise(*over))
    series = {NAMES[name]: [gap[name][part]["mean"] for part in PARTS] for name in SETS}
    spread = {NAMES[name]: [row[f"{name}_gap"] for row in rows] for name in SETS}
    plots = (
        Plot("gap", charts.groups(tuple(PARTS), series), "mean gap by part, pixels"),
        Plot("gap_all", charts.histogram(spread, span=(0, 6)), "gap of each picture, pixels"),
    )
    shots = tuple(Shot(name, data, caption) for name, data, caption in strips)
    text.append(
        "By pose: gap in pixels, of the jaw alone, and the share of faces that the detector finds. Turned far away, "
        "parser and detector lose plain renders too, so what they say there is about them."
    )
    return Section("2D–3D gap", tuple(text), (table, _by_yaw(summary["by_yaw"])), plots, shots)


def above_noise(fitted: float, pairs: float, renders: float) -> str:
    """What pairs keep of the fitted photographs' gap beyond the renders' own, where there is such a gap to speak of."""
    if fitted < CLEAR * renders:
        return (
            "Fitted photographs do not stand out from that noise here, so how much of their gap the pairs keep cannot "
            "be said."
        )
    share = (pairs - renders) / (fitted - renders)
    return f"Above that noise the pairs keep {100 * share:.0f} % of the gap of fitted photographs."


def _by_yaw(rows: Rows) -> Sequence[Sequence[str]]:
    """Table of gaps by pose, a cell for each of the three sets."""
    table = [("absolute yaw", "pairs", *(f"{NAMES[n]}: all, jaw, found" for n in SETS), "pairs / renders")]
    for row in rows:
        cells = [f"{_n(row[n])}, {_n(row[n + '_jaw'])}, {_percent(row[n + '_found'])}" for n in SETS]
        shown = [cell if row[n] is not None else "–" for n, cell in zip(SETS, cells, strict=True)]
        table.append((row["poses"], str(row["pairs"]), *shown, _ratio(row["pair"], row["render"])))
    return table


def _natural(summary: Mapping[str, Any], rows: Rows) -> Section:
    told = summary["natural"]
    table = [
        ("number", *(NAMES[name] for name in SETS)),
        ("share of faces found", *(f"{100 * told[f'found_{name}']:.1f} %" for name in SETS)),
        ("landmark error, % of inter-ocular", *(_n(_times(told[f"landmarks_{name}"], 100)) for name in SETS)),
    ]
    seam = [
        ("seam", "photographs, same ring", "pseudo pairs"),
        ("gradient energy across, median ratio", "1.00", _n(told["seam_ratio_median"])),
        ("gradient energy across, 90th percentile", "", _n(told["seam_ratio_p90"])),
        ("skin colour step, ΔE", _n(told["seam_step_photo"]), _n(told["seam_step"])),
    ]
    steps = {
        "photographs": [row["seam_step_photo"] for row in rows], "pairs": [row["seam_step"] for row in rows],
    }  # fmt: skip
    plot = Plot("seam_step", charts.histogram(steps), "skin colour step across the seam, ΔE")
    return Section("Naturalness", tables=(table, seam), plots=(plot,))


def _coverage(summary: Mapping[str, Any]) -> Section:
    told = summary["coverage"]
    table = [("what", "different", "effective number")]
    names = ("source", "photo", "texture", "head", "tone", "light", "pose", "expression", "identity")
    table += [(name, str(told[name]["different"]), _n(told[name]["effective"])) for name in names]
    spread = summary["spread"]
    text = (
        f"Around the fit the identity varies by {_n(spread['spread'])} prior standard deviations per coefficient, "
        f"which moves the face's surface by {_n(spread['spread_mm'])} mm on average.",
    )
    plots = (
        *(Plot(name, charts.bars(told[name]["counts"]), title) for name, title in (
            ("pose", "pairs by absolute yaw"), ("tone", "audited pairs by skin tone (ITA)"),
            ("light", "pairs by where the light comes from"),
        )),
        Plot("yaw", charts.histogram({"yaw": told["yaw"]}, span=(-90, 90), bins=36), "yaw, degrees"),
        Plot("pitch", charts.histogram({"pitch": told["pitch"]}, span=(-60, 60), bins=36), "pitch, degrees"),
        Plot("textures", charts.bars(dict(sorted(told["texture"]["counts"].items()))), "pairs by texture"),
    )  # fmt: skip
    return Section("Coverage", text, (table,), plots)


def _yield(summary: Mapping[str, Any], rejects: Rows) -> Section:
    told = summary["yield"]
    text = (
        f"{told['committed']} of {told['committed'] + told['rejected']} pairs made were accepted "
        f"({100 * told['share']:.1f} %), {told['pending']} are pending; {told['faces']} faces could be used.",
    )
    table = [("reason", "pairs"), *((name, str(n)) for name, n in told["reasons"].items())]
    refused = [
        ("photographs and faces refused", "count"),
        *((name, str(n)) for name, n in told["photo_reasons"].items()),
    ]
    shots = tuple(
        Shot(
            f"reject-{n}",
            row["picture"],
            f"{row['key']}, {row['stage']}: {row['reason']}: {row['detail']}",
        )
        for n, row in enumerate(rejects, 1)
    )
    return Section("Yield", text, (table, refused), (), shots)


def _cost(summary: Mapping[str, Any]) -> Section:
    told = summary["cost"]
    table = [("stage", "ms per accepted pair", "baseline", "ratio")]
    table += [
        (row["stage"], _n(row["ms"], 1), _n(row["baseline"], 1), _ratio(row["ms"], row["baseline"]))
        for row in told["stages"]
    ]
    table.append(("all", _n(told["ms"], 1), _n(told["baseline_ms"], 1), _n(told["ratio"])))
    rate = 1000 / told["ms"] if told["ms"] else 0.0
    text = f"{rate:.2f} accepted pairs a second of one worker, from the seconds in the store's commits."
    return Section("Throughput", (text,), (table,))


def _n(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f} %"


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else factor * value


def _ratio(a: float | None, b: float | None) -> str:
    return "–" if a is None or not b else f"{a / b:.2f}"
