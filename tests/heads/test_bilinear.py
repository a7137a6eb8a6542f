"""A bilinear head against its equation, and as the linear head of its mean identity."""

from dataclasses import fields
from typing import ClassVar

import numpy as np
import pytest

from models.heads.bilinear import BilinearHead
from models.heads.linear import LinearHead
from models.heads.refine import refine_face
from models.heads.synthetic import synthetic_head

E, K = 5, 3


@pytest.fixture(scope="module")
def head():
    base, rng = synthetic_head(), np.random.default_rng(0)
    core = rng.normal(size=(E, len(base.mean), 3, K)).astype(np.float32)
    own = {f.name: getattr(base, f.name) for f in fields(base)}
    return BilinearHead(
        **own, core=core, identity_mean=np.array([1, 2, 3], np.float32), identity_std=np.ones(3, np.float32)
    )


def test_vertices_are_the_equation(head):
    rng = np.random.default_rng(1)
    identity, expression = rng.normal(size=(4, K)), rng.uniform(size=(4, E - 1)) * [1, 0, 1, 1]
    slots = np.concatenate([np.ones((4, 1)), expression], 1)
    wanted = np.einsum("evdk,ne,nk->nvd", head.core, slots, identity)
    np.testing.assert_allclose(head.vertices(identity, expression), wanted, atol=1e-4)
    np.testing.assert_allclose(head.vertices(identity[0], expression[0]), wanted[0], atol=1e-4)


def test_unused_expressions_are_not_read(head):
    class Watched(np.ndarray):
        seen: ClassVar[list] = []

        def __getitem__(self, at):
            Watched.seen.append(at)
            return np.asarray(super().__getitem__(at))

    own = {f.name: getattr(head, f.name) for f in fields(head)} | {"core": head.core.view(Watched)}
    BilinearHead(**own).vertices(np.ones(K), np.array([0, 0.5, 0, 0]))
    assert Watched.seen == [0, 2]


def test_too_few_coefficients_are_refused(head):
    with pytest.raises(ValueError, match="takes 3 identity and 4 expression"):
        head.vertices(np.ones(2), np.ones(4))


def test_the_mean_identity_is_linear_and_what_is_refined(head):
    assert type(head.mean_identity) is LinearHead
    fine = refine_face(head, 6.0)
    assert type(fine.head) is LinearHead
    assert fine.base is head


def test_its_fingerprint_follows_the_model(head):
    own = {f.name: getattr(head, f.name) for f in fields(head)}
    assert BilinearHead(**own).fingerprint == head.fingerprint
    other = BilinearHead(**(own | {"identity_std": 2 * head.identity_std}))
    assert other.fingerprint != head.fingerprint
