"""The model card that goes with the weights of a swap network."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict

from flows.swap_eval import score_table
from flows.swap_faces import Face
from models.networks.train_swap_loop import Recipe

PURPOSE = {
    "completion": "Paints eyes and inner mouth into a face rendered from skin only",
    "inpainting": "Paints the edge of a rendered face inside the mask where it will be seen",
}
METHODS = {
    "completion": """`telea`, `ns` (Navier–Stokes) and `mean` (of the rim) are the
rivals. `ours` knows nothing that they do not, except the landmarks and the mouth that the fitted head shows: `sketch`
is that mouth as it is drawn. `gaze given` also gets the place and colour of the iris.""",
    "inpainting": """`telea`, `ns` (Navier–Stokes) and `mean` (of the rim) are the rivals.""",
}
LIMITS = {
    "completion": """Few training faces: skin types, ages and glasses are covered thinly. Both eyes look
near the camera, whatever the head does. Whether parted lips show teeth is guessed from the width of the mouth and the
lift of its corners: a laugh may come out grey between the lips, a grin without raised corners dark. Few mouths are
held out; `facepairs train-swap check-mouths` measures all in turn.""",
    "inpainting": "Few training faces: skin types, ages and glasses are covered thinly. Wide bands come out smooth.",
}
# The weights are ours; what a commercial user must know of their training stands in the card and in the ledger's note.
LICENCE = "Apache-2.0"


def names_of(faces: Sequence[Face]) -> list[str]:
    """Photographs of some faces, each once, sorted."""
    return sorted({f.id.split("#")[0] for f in faces})


def model_card(
    kind: str,
    command: str,
    recipe: Recipe,
    licence: str,
    training: Sequence[Face],
    held: Sequence[Face],
    renders: int,
    parameters: int,
    size: int,
    values: dict[str, float],
) -> str:
    """What the weights are, what they were made from and how good they are, in Markdown.

    Args:
        kind: "completion" or "inpainting".
        command: what was typed, with placeholders for folders.
        recipe: of the training.
        licence: of the photographs, a sentence.
        training: faces that trained them.
        held: faces that did not, and measured them.
        renders: how many rendered faces joined.
        parameters: how many the network has.
        size: of the file in bytes.
        values: means by kind of hole, measure and method, as ``flows.swap_eval.scores`` has them.
    """
    names = names_of(training)
    digest = hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]
    joined = f"\n{renders} renders of the head model that ships joined them." if renders else ""
    return f"""# {kind}.safetensors

{PURPOSE[kind]}. {parameters / 1e6:.2f} M parameters, {size / 1e6:.1f} MB, bfloat16.

## Made by

    {command}

`PHOTOS` is the folder of the photographs below. Self-supervised: parts of them are hidden and have to come back
(`docs/swap.md`). The number of steps was set before the run; the network's design was chosen with all
photographs in sight.

Recipe: `{json.dumps(asdict(recipe))}`.

## Data and licence

{LICENCE}, as the code. Not cleared for commercial use: the masks of hair, eyes and mouth that the training used come
from a parsing network trained on CelebAMask-HQ, whose terms are non-commercial. The ledger says so, and every store's.

{len(training)} faces of {len(names)} photographs trained it (names digest {digest}). Licence of the photographs:
{licence}{joined}
Neither photographs nor parsing network are part of the weights' file.

Held out, by person, and never trained on: {", ".join(names_of(held))}.

## Measured

Means inside the hole, held-out photographs at 256²: PSNR in dB and SSIM, higher is better; distance of the features of
the face parser's trunk, lower is better. {METHODS[kind]}

{score_table(values)}

## Limits

{LIMITS[kind]}
"""
