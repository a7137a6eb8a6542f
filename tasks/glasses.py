"""Glasses taken apart: frames stay in front of the new face, clear lenses show it (paper §3.2 leaves glasses out).

The parser's class covers frames and lenses in one blob, at a resolution that no frame has. The frame is therefore
looked for in the photo: around the middle of each lens it is a closed curve, darker or brighter than both its sides,
near the blob's outline. Dynamic programming over the angle finds it even where its contrast fades; its width is
measured at every angle. Bridge and temples are the thin parts of the blob that stand out from what is beside them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

ANGLES = 128  # around a lens
STEP = 0.5  # pixels between radii
# Lengths in inter-ocular distances.
THIN = 0.14  # half the height of what is no lens but bridge or temple
LINES = (0.035, 0.055, 0.08)  # half the widths of frames that are looked for
INWARD, OUTWARD = 0.24, 0.08  # where the frame is looked for, from the outline of the parsed glasses
USUAL = -0.05  # where it mostly is, because the parser's outline is its outer edge
STRAY = 60.0  # grey levels of contrast that make up for a distance from there
LEAST = 0.022  # half the width of the thinnest frame, with its anti-aliased edge
BEND = 4.0  # cost in grey levels of a step of STEP in radius between neighbouring angles
EDGE = 0.45  # of the peak contrast: where the frame ends
CONTRAST = 9.0  # grey levels by which bridge and temples stand out
KEPT = 0.55  # of the frame's contrast with the skin around: less is mostly the skin beside it
AROUND = 0.095  # radius in which that skin is looked for


@dataclass(frozen=True)
class Taken:
    """Glasses in two parts, bool (R, R) each."""

    frames: Array
    lenses: Array  # what lies behind the glass, without the frames


def take_apart(photo: Array, glasses: Array, iod: float) -> Taken:
    """Frames and lenses of one pair of glasses.

    Args:
        photo: uint8 (R, R, 3).
        glasses: pixels parsed as glasses, bool (R, R).
        iod: inter-ocular distance in pixels.
    """
    # The brightest and the darkest channel: a dark frame stands out most in the one, a golden one in the other.
    smooth = cv2.GaussianBlur(photo, (0, 0), 0.6).astype(np.float32)
    tones = np.stack([smooth.max(axis=2), 255 - smooth.min(axis=2)])
    blobs = cv2.morphologyEx(glasses.astype(np.uint8), cv2.MORPH_OPEN, _disc(THIN * iod))
    count, parts, stats, _ = cv2.connectedComponentsWithStats(blobs, connectivity=4)
    wide = _disc(AROUND * iod)
    frames, inside = np.zeros_like(glasses), np.zeros_like(glasses)
    for part in range(1, count):
        if stats[part, cv2.CC_STAT_AREA] < (2 * THIN * iod) ** 2:
            continue
        for blob in _halves(parts == part, iod):
            tone, within, rim = trace_frame(tones, blob, iod)
            inside |= within
            # What is hardly darker than the skin around, in the tone in which the frame is dark, is skin beside it.
            frames |= rim & _stands_out(tones[tone], rim, wide)
    thin = cv2.dilate((glasses & ~inside).astype(np.uint8), _disc(0.04 * iod)) > 0
    frames |= thin & ~inside & np.logical_or.reduce([_stands_out(tone, thin, wide) for tone in tones])
    frames = cv2.morphologyEx(frames.astype(np.uint8), cv2.MORPH_CLOSE, _disc(0.02 * iod)) > 0
    return Taken(frames, inside & ~frames)


def trace_frame(tones: Array, blob: Array, iod: float) -> tuple[int, Array, Array]:
    """The tone in which a frame is dark, all that it encloses, and the frame itself; it follows the blob's outline.

    Args:
        tones: two pictures (2, R, R) float32 grey levels, in one of which the frame is darker than its sides.
        blob: one lens with its frame as parsed, bool (R, R).
        iod: inter-ocular distance in pixels.

    Returns:
        Index of the tone; and bool (R, R) each.
    """
    rows, cols = np.nonzero(blob)
    centre = np.array([cols.mean(), rows.mean()])
    angle = 2 * np.pi * np.arange(ANGLES) / ANGLES
    ray = np.stack([np.cos(angle), np.sin(angle)], -1)
    far = int(np.ceil(np.hypot(cols - centre[0], rows - centre[1]).max() / STEP)) + 2
    radii = STEP * np.arange(far + round(OUTWARD * iod / STEP))
    u = (centre[0] + radii[None] * ray[:, :1]).astype(np.float32)
    v = (centre[1] + radii[None] * ray[:, 1:]).astype(np.float32)
    covered = cv2.remap(blob.astype(np.float32), u, v, cv2.INTER_LINEAR) > 0.5
    outline = radii[covered.shape[1] - 1 - np.argmax(covered[:, ::-1], axis=1)]
    off = (radii[None] - outline[:, None]) / iod
    traced = []
    for tone in tones:
        profile = cv2.remap(tone, u, v, cv2.INTER_LINEAR)
        valley = np.max([_valleys(profile, max(2, round(line * iod / STEP))) for line in LINES], axis=0)
        valley -= STRAY * np.abs(off - USUAL)
        valley[(off < -INWARD) | (off > OUTWARD)] = -1e3
        way = _closed_path(valley)
        traced.append((valley[np.arange(ANGLES), way], way, valley))
    chosen = int(np.argmax([contrast.sum() for contrast, _, _ in traced]))
    peak, path, strength = traced[chosen]
    # The frame ends where its contrast does, on either side, and is smooth along its length.
    inner, outer = np.zeros(ANGLES), np.zeros(ANGLES)
    most = max(1, round(LINES[-1] * iod / STEP))
    for k in range(ANGLES):
        for side, out in ((-1, inner), (1, outer)):
            at = path[k]
            while abs(at - path[k]) < most and 0 < at + side < strength.shape[1]:
                if strength[k, at + side] < EDGE * peak[k]:
                    break
                at += side
            out[k] = radii[path[k]] + side * max(abs(at - path[k]) * STEP + STEP / 2, LEAST * iod)
    inner, outer = _median(inner), _median(outer)
    return (
        chosen,
        _inside(centre, ray, (inner + outer) / 2, blob.shape),
        (_inside(centre, ray, outer, blob.shape) & ~_inside(centre, ray, inner, blob.shape)),
    )


def _stands_out(tone: Array, frame: Array, disc: Array) -> Array:
    """Pixels (R, R) that are darker than the brightest around them, by half of what a frame usually is."""
    depth = cv2.morphologyEx(tone, cv2.MORPH_BLACKHAT, disc)
    usual = float(np.quantile(depth[frame], 0.6)) if frame.any() else 0.0
    near = cv2.dilate(np.where(frame, depth, 0).astype(np.float32), disc)
    out: Array = depth > np.maximum(CONTRAST, KEPT * np.minimum(near, usual))
    return out


def _valleys(profile: Array, apart: int) -> Array:
    """How much lower each sample (A, K) is than both samples ``apart`` from it along its row; 0 at the ends."""
    depth = np.zeros_like(profile)
    low = np.minimum(profile[:, : -2 * apart], profile[:, 2 * apart :])
    depth[:, apart:-apart] = np.maximum(low - profile[:, apart:-apart], 0)
    return depth


def _closed_path(strength: Array) -> Array:
    """Index of the radius at every angle, (A,), of the closed path with the greatest sum of strength less bends."""
    twice = np.concatenate([strength, strength])
    reach = np.arange(-3, 4)
    best, back = twice[0].copy(), np.zeros(twice.shape, np.int64)
    for k in range(1, len(twice)):
        moved = np.stack([np.roll(best, r) - BEND * abs(r) for r in reach])
        chosen = moved.argmax(axis=0)
        back[k] = np.arange(twice.shape[1]) - reach[chosen]
        best = twice[k] + moved[chosen, np.arange(twice.shape[1])]
    path = np.zeros(len(twice), np.int64)
    path[-1] = int(best.argmax())
    for k in range(len(twice) - 1, 0, -1):
        path[k - 1] = np.clip(back[k, path[k]], 0, twice.shape[1] - 1)
    half = len(strength) // 2
    middle: Array = np.roll(path[half : half + len(strength)], half)
    return middle


def _median(values: Array) -> Array:
    """Median of five along a closed curve."""
    around = np.stack([np.roll(values, k) for k in range(-2, 3)])
    result: Array = np.median(around, axis=0)
    return result


def _inside(centre: Array, ray: Array, radius: Array, shape: tuple[int, ...]) -> Array:
    """Pixels inside a star-shaped curve, to a sixteenth of a pixel."""
    canvas = np.zeros(shape, np.uint8)
    outline = np.round((centre + radius[:, None] * ray) * 16).astype(np.int32)
    cv2.fillPoly(canvas, [outline], 1, shift=4)
    filled: Array = canvas > 0
    return filled


def _halves(blob: Array, iod: float) -> list[Array]:
    """A blob that spans both eyes, cut where it is least high between them; else the blob itself."""
    cols = np.flatnonzero(blob.any(axis=0))
    if np.ptp(cols) < 1.25 * iod:
        return [blob]
    height = blob.sum(axis=0).astype(np.float32)
    middle = slice(int(cols[0] + 0.35 * np.ptp(cols)), int(cols[0] + 0.65 * np.ptp(cols)) + 1)
    cut = middle.start + int(height[middle].argmin())
    left, right = blob.copy(), blob.copy()
    left[:, cut:] = False
    right[:, :cut] = False
    return [left, right]


def _disc(radius: float) -> Array:
    r = max(1, round(radius))
    disc: Array = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * r + 1, 2 * r + 1)).astype(np.uint8)
    return disc
