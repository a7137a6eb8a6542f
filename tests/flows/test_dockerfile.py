"""The images cannot be built here (no engine): what they copy, and what the pools say of them, is checked instead."""

from __future__ import annotations

import fnmatch
import re
import shlex
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
INSTRUCTIONS = {"FROM", "ARG", "RUN", "COPY", "WORKDIR", "ENV", "USER", "ENTRYPOINT", "CMD"}


def instructions(name: str) -> list[tuple[str, str]]:
    """Instruction and argument of every line, comments left out and continued lines joined."""
    lines = [line for line in (ROOT / name).read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in joined.splitlines() if line.strip()]


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.gpu"])
def test_it_has_known_instructions_and_a_base(name: str) -> None:
    found = instructions(name)
    assert {word for word, _ in found} <= INSTRUCTIONS
    assert next(word for word, _ in found if word != "ARG") == "FROM"


def test_what_is_copied_is_there_and_not_ignored() -> None:
    ignored = [
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    ]
    copied = []
    for word, argument in instructions("Dockerfile"):
        if word == "COPY":
            copied += [part for part in shlex.split(argument) if not part.startswith("--")][:-1]
    assert copied
    for source in copied:
        assert (ROOT / source).exists(), source
        assert any(fnmatch.fnmatch(source, pattern) for pattern in ignored), source
    packages = re.findall(
        r'"(\w+)"', (ROOT / "pyproject.toml").read_text().split("root_packages")[1].split("]")[0]
    )
    assert set(packages) <= set(copied), "every package of the project is in the image"


def test_fetched_assets_stay_out() -> None:
    assert "assets/data/fetched" in (ROOT / ".dockerignore").read_text().splitlines()


def test_pools_name_these_images_and_their_paths() -> None:
    pools = yaml.safe_load((ROOT / "prefect.yaml").read_text())["definitions"]["pools"]
    text = (ROOT / "Dockerfile").read_text() + (ROOT / "Dockerfile.gpu").read_text()
    for on in ("docker", "kubernetes"):
        for kind, pool in pools[on].items():
            assert pool["job_variables"]["image"] == f"facepairs:{kind}"
            assert f"--tag facepairs:{kind}" in text
    for volume in pools["docker"]["cpu"]["job_variables"]["volumes"]:
        assert volume.split(":")[1] in text
