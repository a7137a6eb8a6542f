"""Plots as SVG text: bars, grouped bars, histograms and lines; nothing in them depends on fonts or the web."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

import numpy as np

INK, PALE, COLOURS = "#333", "#ddd", ("#8a97a8", "#2f6fb2", "#d98b2b")
_OPEN = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="{w}" height="{h}" '
    'font-family="sans-serif" font-size="11">'
)


def bars(counts: Mapping[str, float], width: int = 420, unit: str = "") -> str:
    """Horizontal bars, one per name, with their numbers."""
    top, left, row = max(counts.values(), default=0) or 1, 120, 18
    height = row * len(counts) + 8
    parts = [_OPEN.format(w=width, h=height), _paper(width, height)]
    for k, (name, value) in enumerate(counts.items()):
        y, long = 4 + k * row, (width - left - 60) * value / top
        parts.append(_text(left - 6, y + 13, name, "end"))
        parts.append(
            f'<rect x="{left}" y="{y + 3}" width="{long:.1f}" height="{row - 6}" fill="{COLOURS[1]}"/>'
        )
        parts.append(_text(left + long + 5, y + 13, f"{value:g}{unit}"))
    return "".join([*parts, "</svg>"])


def groups(
    names: Sequence[str], series: Mapping[str, Sequence[float | None]], width: int = 560, height: int = 220,
    unit: str = "px",
) -> str:  # fmt: skip
    """Upright bars: for each name one bar of each series; a missing value leaves its place empty."""
    values = [v for row in series.values() for v in row if v is not None]
    top = 1.15 * max(values, default=0) or 1
    foot, left = height - 40, 40
    parts = [_OPEN.format(w=width, h=height), _paper(width, height)]
    for tick in _ticks(0, top):
        y = foot - (foot - 10) * tick / top
        parts.append(
            f'<path d="M{left} {y:.1f}H{width - 8}" stroke="{PALE}"/>'
            + _text(left - 5, y + 4, f"{tick:g}", "end")
        )
    slot = (width - left - 8) / max(1, len(names))
    each = 0.8 * slot / max(1, len(series))
    for s, row in enumerate(series.values()):
        for k, value in enumerate(row):
            if value is None:
                continue
            x, tall = left + slot * (k + 0.1) + each * s, (foot - 10) * value / top
            parts.append(_box(x, foot - tall, each - 2, tall, COLOURS[s % 3]))
            parts.append(_text(x + each / 2 - 1, foot - tall - 3, f"{value:.2f}", "middle"))
    parts += [_text(left + slot * (k + 0.5), foot + 14, name, "middle") for k, name in enumerate(names)]
    for s, name in enumerate(series):
        x = left + 150 * s
        parts.append(
            f'<rect x="{x}" y="{height - 16}" width="10" height="10" fill="{COLOURS[s % 3]}"/>'
            + _text(x + 14, height - 7, name)
        )
    return "".join([*parts, _text(4, 12, unit), "</svg>"])


def histogram(
    values: Mapping[str, Sequence[float]], width: int = 420, height: int = 150, bins: int = 30,
    span: tuple[float, float] | None = None,
) -> str:  # fmt: skip
    """Outlines of the distributions of several series over one axis, each by its share."""
    clean = {
        name: np.array([v for v in row if v is not None and np.isfinite(v)], float)
        for name, row in values.items()
    }
    every = np.concatenate(list(clean.values())) if clean else np.zeros(0)
    low, high = span or ((float(every.min()), float(every.max())) if len(every) else (0.0, 1.0))
    high = high if high - low > 1e-9 else low + 1
    counts = {n: np.histogram(row, bins, (low, high))[0] / max(1, len(row)) for n, row in clean.items()}
    top = max((float(c.max()) for c in counts.values()), default=0) or 1
    foot, left, wide = height - 34, 8, width - 16
    parts = [
        _OPEN.format(w=width, h=height),
        _paper(width, height),
        f'<path d="M{left} {foot}h{wide}" stroke="{INK}"/>',
    ]
    for s, (name, count) in enumerate(counts.items()):
        steps = "".join(
            f"L{left + wide * k / bins:.1f} {foot - (foot - 8) * c / top:.1f}h{wide / bins:.1f}"
            for k, c in enumerate(count)
        )
        colour = COLOURS[s % 3] if len(counts) > 1 else COLOURS[1]
        outline = f"M{left} {foot}{steps}L{left + wide} {foot}"
        parts.append(f'<path d="{outline}" fill="{colour}" fill-opacity=".25" stroke="{colour}"/>')
        if len(counts) > 1:
            x = left + 110 * s
            parts.append(
                f'<rect x="{x}" y="{height - 14}" width="10" height="10" fill="{colour}"/>'
                + _text(x + 14, height - 5, name)
            )
    for tick in _ticks(low, high):
        x = left + wide * (tick - low) / (high - low)
        parts.append(_text(x, foot + 13, f"{tick:g}", "middle"))
    return "".join([*parts, "</svg>"])


def lines(
    series: Mapping[str, Sequence[tuple[float, float]]], across: str, up: str, width: int = 560, height: int = 320,
    log: bool = False, zero: bool = False,
) -> str:  # fmt: skip
    """Points joined by lines, by name, over named axes; with ``log`` both axes are logarithmic, with ``zero`` both
    begin at 0."""
    scale = np.log10 if log else np.asarray
    points = {n: scale(np.array(row, float).reshape(-1, 2)) for n, row in series.items()}
    every = np.concatenate([p for p in points.values() if len(p)] or [np.zeros((1, 2))])
    every = np.concatenate([every, np.zeros((1, 2))]) if zero else every
    low, span = every.min(0), np.maximum(np.ptp(every, axis=0), 1e-9)
    legend = max(170, 40 + 6 * max(map(len, series), default=0))  # room for the longest name
    left, foot, right = 50, height - 46, width - legend
    parts = [_OPEN.format(w=width, h=height), _paper(width, height)]
    for axis in (0, 1):
        for tick in _ticks(float(low[axis]), float(low[axis] + span[axis])):
            share = (tick - low[axis]) / span[axis]
            x, y = left + share * (right - left), foot - share * (foot - 20)
            shown = f"{10**tick:.3g}" if log else f"{tick:g}"
            line = f"M{x:.1f} 20V{foot}" if axis == 0 else f"M{left} {y:.1f}H{right}"
            parts.append(f'<path d="{line}" stroke="{PALE}"/>')
            parts.append(
                _text(x, foot + 14, shown, "middle") if axis == 0 else _text(left - 5, y + 4, shown, "end")
            )
    for k, (name, at) in enumerate(points.items()):
        hue = f"hsl({360 * k / max(1, len(points)):.0f} 55% 45%)"
        unit = (at - low) / span
        placed = [(left + u * (right - left), foot - v * (foot - 20)) for u, v in unit]
        joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
        parts.append(f'<polyline points="{joined}" fill="none" stroke="{hue}" stroke-width="1.5"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{hue}"/>' for x, y in placed]
        parts.append(_box(right + 12, 24 + 16 * k, 10, 10, hue) + _text(right + 26, 33 + 16 * k, name))
    parts.append(_text((left + right) / 2, height - 14, across, "middle"))
    return "".join([*parts, _text(4, 12, up), "</svg>"])


def stacked(charts: Sequence[str], height: int = 320, width: int = 560) -> str:
    """Charts of one size under each other, as one picture."""
    parts = [_OPEN.format(w=width, h=height * len(charts))]
    parts += [f'<g transform="translate(0 {height * k})">{chart}</g>' for k, chart in enumerate(charts)]
    return "".join([*parts, "</svg>"])


def _ticks(low: float, high: float) -> list[float]:
    """About five round numbers from ``low`` to ``high``."""
    step = 10 ** np.floor(np.log10((high - low) / 4))
    step *= next(m for m in (1, 2, 5, 10) if (high - low) / (step * m) <= 6)
    first, last = int(np.ceil(low / step - 1e-9)), int(np.floor(high / step + 1e-9))
    return [float(round(k * step, 10)) for k in range(first, last + 1)]


def _paper(width: int, height: int) -> str:
    return f'<rect width="{width}" height="{height}" fill="#fff"/>'


def _box(x: float, y: float, width: float, height: float, colour: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}"/>'


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{INK}">{escape(text)}</text>'
