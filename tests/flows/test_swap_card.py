"""The model card says what was typed, what trained, what was held out, and under which terms."""

from __future__ import annotations

from toy_face import toy_face

from flows.swap_card import LICENCE, model_card, names_of
from models.networks.train_swap_loop import Recipe


def card(renders: int = 0) -> str:
    training, held = [toy_face("ann#0"), toy_face("ann#1")], [toy_face("eve#0")]
    values = {"eyes/ours": 18.25, "eyes/ns": 15.0}
    return model_card(
        "completion", "facepairs train-swap completion --photos PHOTOS", Recipe(steps=7), "drawn here.", training,
        held, renders, 2_400_000, 4_900_000, values,
    )  # fmt: skip


def test_card_says_what_was_done() -> None:
    text = card(renders=5)
    for part in (
        "# completion.safetensors", "2.40 M parameters, 4.9 MB", "--photos PHOTOS", '"steps": 7', "drawn here.",
        "2 faces of 1 photographs", "never trained on: eve.", "5 renders", "18.25", LICENCE,
    ):  # fmt: skip
        assert part in text, part
    assert "renders of the head" not in card()


def test_names_are_those_of_photographs() -> None:
    assert names_of([toy_face("b#1"), toy_face("b#0"), toy_face("a#0")]) == ["a", "b"]
