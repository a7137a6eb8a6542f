"""Why a planned pair is not in the store: a value, from a closed list."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Closed list of reasons. A new one is added here and nowhere else."""

    UNREADABLE = "unreadable"  # the file is not a picture we can decode
    TOO_LARGE = "too_large"  # more pixels than the decode limit
    TOO_SMALL = "too_small"  # fewer pixels than any face needs
    NO_FACE = "no_face"
    FACE_TOO_SMALL = "face_too_small"
    LANDMARKS = "landmarks"  # the landmark model does not trust its own answer
    PARSING = "parsing"  # parsing and landmarks contradict each other
    OCCLUDED = "occluded"  # sunglasses, hands, hair: too little of the face is seen
    FIT_RESIDUAL = "fit_residual"
    POSE = "pose"  # outside the poses that the plan allows
    MASKS_DISAGREE = "masks_disagree"  # rendered and parsed face overlap too little
    WARP_FOLDS = "warp_folds"
    SEAM = "seam"  # a visible step along the blend's border
    GAP = "gap"  # image and shape do not agree
    ERROR = "error"  # an exception: a bug, counted; a streak stops the run


@dataclass(frozen=True)
class Reject:
    """A reason and one sentence of detail with the measured and the allowed value."""

    reason: Reason
    detail: str
