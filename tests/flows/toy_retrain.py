"""What a published generation starts in tests: it reads the store, as retraining does, and says what it found."""

from __future__ import annotations

from pathlib import Path

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from storage.generation import read_generation


@flow(name="retrain", persist_result=False)
def retrain(store: Path, generation: str = "") -> None:
    """Read the generation from disk."""
    found = read_generation(store, generation)
    create_markdown_artifact(f"{found.name} {found.hash}", key="trained-on")
