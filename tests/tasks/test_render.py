"""Stage render on a synthetic head: the photo's light is met, and what cannot be lit is rejected."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from models.geometry.camera import ScaledOrtho
from models.geometry.face import head_surface, render_surface, shade_face
from models.geometry.gloss import skin_light
from models.geometry.light import ambient
from models.geometry.rasterize import rasterize
from models.heads.regions import Region
from models.heads.synthetic import synthetic_head
from models.networks.classes import Parsing
from storage.plan import PlanRow
from tasks.contract import Batch, Field, Reason, Stage, check_chain
from tasks.render import Render, fit_light, toned

R = 64
HEAD = synthetic_head()
SOURCES = (
    Field("photo", "uint8", ("R", "R", 3), "rgb"),
    Field("parsing", "uint8", ("R", "R"), "celebamask"),
    Field("vertices", "float32", ("V", 3), "cube"),
    Field("scale", "float32", (), "cube"),
    Field("rotation", "float32", (3, 3), "cube"),
    Field("translation", "float32", (2,), "cube"),
)


@dataclass(frozen=True)
class Pool:
    """Two plain textures of very different tone."""

    def image(self, name):
        colours = {
            "dark": (70, 45, 35),
            "pale": (230, 200, 185),
            "white": (230, 225, 215),
            "red": (200, 90, 90),
            "blue": (40, 60, 200),
        }
        return np.full((16, 16, 3), colours[name], dtype=np.uint8)

    def part(self, part):
        return {"teeth": ("white",), "tongue": ("red",), "iris": ("blue",)}[part]


def _rows(*textures):
    return tuple(
        PlanRow(f"{i:08d}", i, 0, 7, "0" * 16 + "-0", HEAD.name, t, "train") for i, t in enumerate(textures)
    )


def _pose(yaw=20.0):
    c, s = np.cos(np.radians(yaw)), np.sin(np.radians(yaw))
    return ScaledOrtho(1 / 130, np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]), np.zeros(2))


def _scene(yaw=20.0):
    """A photo whose face is this very head in a warm side light, and its parsing."""
    pose = _pose(yaw)
    vertices = pose.to_cube(HEAD.mean).astype(np.float32)
    light = ambient(np.array([0.9, 0.8, 0.7]))
    light[3], light[1] = 0.35, 0.2
    skin = np.full((16, 16, 3), (190, 140, 120), dtype=np.uint8)
    shaded = shade_face(HEAD, vertices, skin, light, R)
    parsing = np.where(shaded.render_mask, Parsing.SKIN, Parsing.BACKGROUND).astype(np.uint8)
    return shaded, parsing, vertices


def _batch(*textures, parsing=None, photo=None):
    shaded, parsed, vertices = _scene()
    n = len(textures)
    fields = {
        "photo": np.stack([shaded.render if photo is None else photo] * n),
        "parsing": np.stack([parsed if parsing is None else parsing] * n),
        "vertices": np.stack([vertices] * n),
        "scale": np.full(n, _pose().scale, np.float32),
        "rotation": np.stack([_pose().rotation.astype(np.float32)] * n),
        "translation": np.zeros((n, 2), np.float32),
    }
    return Batch(_rows(*textures), fields), shaded


STAGE = Render(head=HEAD, textures=Pool(), size=R)


def test_it_is_a_stage_whose_arrays_are_as_declared():
    assert isinstance(STAGE, Stage)
    check_chain([STAGE], SOURCES)
    batch, _ = _batch("dark", "pale")
    gives = STAGE(batch)
    assert set(gives.fields) == {f.name for f in STAGE.gives}
    bound = {"R": R, "V": len(HEAD.mean)}
    for f in STAGE.gives:
        shape = tuple(bound.get(s, s) for s in f.shape)
        assert gives.fields[f.name].shape == (2, *shape), f.name
        assert gives.fields[f.name].dtype == np.dtype(f.dtype), f.name


@pytest.mark.parametrize("texture", ["dark", "pale"])
def test_the_photo_s_light_and_tone_are_met_whatever_the_texture(texture):
    batch, shaded = _batch(texture)
    gives = STAGE(batch)
    assert not gives.rejects
    skin = shaded.render_mask & ~shaded.hole_mask
    error = gives.fields["render"][0][skin].astype(int) - shaded.render[skin].astype(int)
    assert np.abs(error).mean() < 4
    assert np.abs(error.mean(axis=0)).max() < 2


def test_masks_are_those_of_the_head():
    batch, shaded = _batch("dark")
    gives = STAGE(batch)
    np.testing.assert_array_equal(gives.fields["render_mask"][0], shaded.render_mask)
    np.testing.assert_array_equal(gives.fields["hole_mask"][0], shaded.hole_mask)
    np.testing.assert_array_equal(gives.fields["region"][0], shaded.region)


def test_interior_is_the_render_with_a_mouth():
    given = STAGE(_batch("dark")[0]).fields
    mouth = given["region"][0] == Region.INNER_MOUTH
    assert mouth.any()
    np.testing.assert_array_equal(given["interior"][0][~mouth], given["render"][0][~mouth])
    assert given["interior"][0][mouth].mean() < 0.7 * given["render"][0][mouth].mean()


def test_without_common_skin_a_row_is_rejected_with_the_overlap():
    nowhere = np.full((R, R), Parsing.BACKGROUND, dtype=np.uint8)
    nowhere[:6, :6] = Parsing.SKIN
    batch, _ = _batch("dark", parsing=nowhere)
    gives = STAGE(batch)
    assert gives.rejects[0].reason is Reason.MASKS_DISAGREE
    assert "share 0.00" in gives.rejects[0].detail
    assert not gives.fields["render"][0].any()


def test_a_black_photo_is_rejected():
    batch, _ = _batch("dark", photo=np.zeros((R, R, 3), dtype=np.uint8))
    assert STAGE(batch).rejects[0].reason is Reason.MASKS_DISAGREE


def test_rows_do_not_depend_on_their_neighbours():
    both, alone = STAGE(_batch("dark", "pale")[0]), STAGE(_batch("dark")[0])
    for name in alone.fields:
        np.testing.assert_array_equal(alone.fields[name][0], both.fields[name][0])


def test_a_black_and_white_photo_gets_a_black_and_white_face():
    shaded, _, _ = _scene()
    grey = np.repeat(shaded.render.mean(axis=-1, keepdims=True), 3, axis=-1).astype(np.uint8)
    made = STAGE(_batch("dark", photo=grey)[0]).fields["render"][0]
    spread = made.max(axis=-1).astype(int) - made.min(axis=-1)
    assert made.any()
    assert spread.max() <= 2
    mouth = STAGE(_batch("dark", photo=grey)[0]).fields["interior"][0]
    assert (mouth.max(axis=-1).astype(int) - mouth.min(axis=-1)).max() <= 2
    colour = np.zeros((8, 8, 3), dtype=np.uint8)
    colour[..., 0] = 90
    np.testing.assert_array_equal(toned(colour, shaded.render), colour)


def test_a_known_light_is_recovered_through_own_shadow_and_gloss():
    pose = _pose()
    vertices = pose.to_cube(HEAD.mean).astype(np.float32)
    surface = head_surface(HEAD, vertices, pose.rotation)
    seen = rasterize(vertices, surface.faces, R, cull=True)
    texture = np.full((16, 16, 3), (190, 140, 120), dtype=np.uint8)
    truth = ambient(np.full(3, 0.7))
    truth[3], truth[1], truth[2] = 0.35, 0.4, 0.2
    skin = skin_light(surface.occlusion, surface.gloss, truth, np.full(3, 0.3), np.full(3, 1.0))
    shown = render_surface(HEAD, vertices, surface, seen, texture, truth, skin=skin)
    parsing = np.where(shown.render_mask, Parsing.SKIN, Parsing.BACKGROUND).astype(np.uint8)
    lit = fit_light(shown.render, parsing, surface, seen, texture)
    slope, known = (light[[3, 1, 2]].mean(axis=1) for light in (lit.light, truth))
    assert slope @ known > 0.95 * np.linalg.norm(slope) * np.linalg.norm(known)
    again = render_surface(
        HEAD, vertices, surface, seen, texture, lit.light, tone=lit.tone, skin=lit.skin, falloff=lit.falloff
    )
    plain = shown.render_mask & ~shown.hole_mask
    error = again.render[plain].astype(int) - shown.render[plain]
    assert np.abs(error).mean() < 3
    assert np.abs(error.mean(axis=0)).max() < 1.5
    assert (
        np.abs(np.log(lit.falloff.gain(R)[plain])).mean() < 0.05
    )  # the light explains it, and not the field


def test_picture(golden):
    golden("render_side_light", STAGE(_batch("pale")[0]).fields["render"][0])


def test_a_head_that_renders_its_eyes_shows_them_in_the_interior():
    plain = Render(HEAD, Pool(), R)(_batch("pale")[0]).fields
    head = replace(HEAD, rendered=("eyes",))
    shown = Render(head, Pool(), R)(_batch("pale")[0]).fields
    eyes = plain["region"][0] == Region.EYES
    assert eyes.sum() > 5
    np.testing.assert_array_equal(shown["interior"][0][~eyes], plain["interior"][0][~eyes])
    np.testing.assert_array_equal(shown["render"], plain["render"])
    assert (shown["interior"][0][eyes] != plain["interior"][0][eyes]).any()
