"""What the signed-distance networks see: masked colours and the parts of the face (facts §1.3).

The released code joins the part as one scalar and interpolates it, which blends class codes at borders; here every
group of parts is a channel of its own.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from models.networks.classes import Parsing

# Groups of parts in the released order: left and right share one, so a mirrored image needs no care.
GROUPS = (
    (Parsing.NOSE,),
    (Parsing.UPPER_LIP, Parsing.LOWER_LIP),
    (Parsing.L_EYE, Parsing.R_EYE),
    (Parsing.L_BROW, Parsing.R_BROW),
    (Parsing.SKIN, Parsing.GLASSES),
    (Parsing.INNER_MOUTH,),
    (Parsing.L_EAR, Parsing.R_EAR, Parsing.EARRING, Parsing.NECKLACE, Parsing.NECK),
    (Parsing.HAIR, Parsing.HAT),
    (Parsing.BACKGROUND, Parsing.CLOTH),
)
FACE_GROUPS = (0, 1, 2, 3, 4, 5)
CHANNELS = 3 + len(GROUPS)

_GROUP_OF = torch.zeros(len(Parsing), dtype=torch.long)
for _group, _classes in enumerate(GROUPS):
    _GROUP_OF[list(_classes)] = _group
_IS_FACE = torch.isin(_GROUP_OF, torch.tensor(FACE_GROUPS))
_CODE_OF = torch.cat(
    [torch.nn.functional.one_hot(_GROUP_OF, len(GROUPS)) * _IS_FACE[:, None], _IS_FACE[:, None]], dim=1
).float()


def sdf_input(image: UInt8[Tensor, "b R R 3"], semantic: UInt8[Tensor, "b R R"]) -> Float[Tensor, "b 12 R R"]:
    """RGB in [-1, 1] and one-hot part groups, zeros outside the face (skin, nose, glasses, eyes, brows, mouth).

    Args:
        image: sRGB.
        semantic: CelebAMask class ids.
    """
    row = _CODE_OF.to(semantic.device)[semantic.int()]  # (b, R, R, 10): one-hot groups, and the face at last
    face = row[..., -1:]
    colour = (image.float() / 127.5 - 1) * face
    return torch.cat([colour, row[..., :-1]], dim=-1).permute(0, 3, 1, 2)


def face_of(semantic: UInt8[Tensor, "*b R R"]) -> Bool[Tensor, "*b R R"]:
    """Pixels of the face as the networks know it; ears, hair, neck and hat are outside."""
    return _IS_FACE.to(semantic.device)[semantic.int()]


def face_mask(semantic: UInt8[np.ndarray, "R R"]) -> Bool[np.ndarray, "R R"]:
    """The same for one NumPy mask."""
    return face_of(torch.from_numpy(semantic)[None])[0].numpy()


def seen_by(
    image: UInt8[np.ndarray, "R R 3"], semantic: UInt8[np.ndarray, "R R"], side: int
) -> Float[Tensor, "1 12 S S"]:
    """The input of one image for a network that reads images of ``side`` pixels."""
    if len(image) != side:
        shrink = cv2.INTER_AREA if side < len(image) else cv2.INTER_LINEAR
        image = cv2.resize(image, (side, side), interpolation=shrink)
        semantic = cv2.resize(semantic, (side, side), interpolation=cv2.INTER_NEAREST)
    return sdf_input(torch.from_numpy(image)[None], torch.from_numpy(semantic)[None])
