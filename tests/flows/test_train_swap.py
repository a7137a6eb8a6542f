"""The training command on drawn faces: trains, resumes, measures, ships, and says what is wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from toy_face import toy_face

from assets import registry
from assets.registry import AssetError
from flows import swap_check
from flows import train_swap as command
from flows.swap_data import CompletionSampler, InpaintingSampler
from flows.swap_faces import read_faces
from flows.train_swap import Run, annotate, evaluate, ship_weights, train, typed
from models.networks.completion import load_completion
from models.networks.inpainting import load_inpainting
from storage.errors import StoreError

FACES = [toy_face("ann#0"), toy_face("bob#0", gaze=2), toy_face("eve#0", gaze=-2)]


def run_of(kind: str, out: Path, steps: int) -> Run:
    return Run(
        kind, out, out, steps, ("eve",), renders=0, licence="drawn here.", command="facepairs train-swap"
    )  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["completion", "inpainting"])
def test_train_resume_measure(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The samplers as they are, with small batches.
    monkeypatch.setattr(command, "InpaintingSampler", partial(InpaintingSampler, batch=1, side=64))
    monkeypatch.setattr(command, "CompletionSampler", partial(CompletionSampler, pairs=1, mouths=1))
    run = run_of(kind, tmp_path, 2)
    first = train.fn(run, FACES, []).read_bytes()
    assert train.fn(run, FACES, []).read_bytes() == first  # nothing left to do
    weights = train.fn(replace(run, steps=3), FACES, [])
    assert weights.read_bytes() != first
    values = evaluate.fn(run, FACES, weights)
    hole = "eyes" if kind == "completion" else "band"
    assert {f"{hole}/ours", f"{hole}/telea", f"{hole}/ns"} <= set(values)
    card = (tmp_path / f"{kind}.md").read_text(encoding="utf-8")
    assert "drawn here." in card
    assert "by person, and never trained on: eve." in card
    assert f"{values[f'{hole}/telea']:.2f}" in card
    assert (tmp_path / f"{kind}_samples.png").stat().st_size > 1000
    assert (tmp_path / "curves.csv").read_text(encoding="utf-8").count("\n") > 3
    (load_completion if kind == "completion" else load_inpainting)(weights)


def test_without_held_out_photographs_nothing_is_claimed(tmp_path: Path) -> None:
    run = replace(run_of("inpainting", tmp_path, 1), hold_out=())
    with pytest.raises(ValueError, match="--hold-out"):
        evaluate.fn(run, FACES, tmp_path / "none.safetensors")


def test_what_cannot_end_well_is_told_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "api", None)
    (tmp_path / "file").touch()
    right = {"photos": tmp_path, "out": tmp_path / "out", "hold_out": ("eve",)}
    for wrong, told in (
        ({"steps": 0}, "--steps takes 1 or more, got 0"),
        ({"threads": 0}, "--threads takes 1 or more, got 0"),
        ({"photos": tmp_path / "nowhere"}, "nowhere is no folder"),
        ({"out": tmp_path / "file"}, "is a file; give a folder"),
    ):
        with pytest.raises(StoreError, match=told):
            command.inpainting(**{**right, **wrong})
    with pytest.raises(SystemExit):
        command.inpainting(**{**right, "hold_out": ()})
    assert "give --hold-out" in capsys.readouterr().err
    with pytest.raises(StoreError, match="--folds takes 2 or more, got 1"):
        command.check_mouths(photos=tmp_path, folds=1)
    # A prefix that no photograph has is told after annotation, not after training.
    monkeypatch.setattr(command, "annotate", lambda run: FACES)
    monkeypatch.setattr(command, "train", None)
    with pytest.raises(ValueError, match="no photograph is held out"):
        command.train_swap.fn(replace(run_of("inpainting", tmp_path / "out", 1), hold_out=("zoe",)))


def test_an_empty_picture_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    assert read_faces(tmp_path, None, None) == []  # type: ignore[arg-type]


def test_no_faces_is_an_asset_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "asset_path", lambda name: tmp_path / name)
    with pytest.raises(AssetError, match="no face was found"):
        annotate.fn(run_of("completion", tmp_path, 1))


def test_shipped_weights_are_in_the_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "DATA", tmp_path / "data")
    monkeypatch.setattr(command, "data_dir", lambda: tmp_path / "data")
    weights = tmp_path / "inpainting.safetensors"
    weights.write_bytes(b"weights")
    weights.with_suffix(".md").write_text("card", encoding="utf-8")
    ship_weights(run_of("inpainting", tmp_path, 1), weights)
    ledger = json.loads((tmp_path / "data" / "weights" / "ledger.json").read_text(encoding="utf-8"))
    (entry,) = ledger["entries"]
    assert entry["name"] == "inpainting"
    assert entry["bytes"] == 7
    assert entry["commercial"] is False
    assert (tmp_path / "data" / "weights" / "inpainting.safetensors").read_bytes() == b"weights"
    assert (tmp_path / "data" / "weights" / "inpainting.md").is_file()


def test_the_card_s_command_names_no_folder_of_this_machine() -> None:
    words = ["completion", "--photos", "/a/b", "--out=/c", "--steps", "5", "--licence", "two words", "--ship"]
    assert typed(words, "completion") == (
        "facepairs train-swap completion --photos PHOTOS --out runs/completion --steps 5 --licence 'two words' --ship"
    )


def test_check_mouths_measures_each_fold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command.annotate, "fn", lambda run: FACES)
    monkeypatch.setattr(command.draw_faces, "fn", lambda run: [])
    monkeypatch.setattr(swap_check, "CompletionSampler", partial(CompletionSampler, mouths=1))
    command.check_mouths(photos=tmp_path, folds=3, steps=1)
    printed = capsys.readouterr().err
    assert "3 mouths" in printed
    assert "| mouth |" in printed
    with pytest.raises(SystemExit):
        command.check_mouths(photos=tmp_path, folds=9, steps=1)
    assert "--folds 3" in capsys.readouterr().err


def test_help_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    for verb in ("completion", "inpainting", "check-mouths"):
        with pytest.raises(SystemExit) as stop:
            command.app([verb, "--help"])
        assert stop.value.code == 0
        assert f"facepairs train-swap {verb}" in " ".join(capsys.readouterr().out.split())
