"""Weights that are missing or wrong are one sentence with the command that makes them."""

import pytest

from assets.registry import AssetError
from tasks.weights import open_weights


def test_a_missing_file_names_the_command(tmp_path):
    with pytest.raises(AssetError, match="train-swap completion"):
        open_weights(tmp_path / "none.safetensors", "completion", lambda path, device: path, "cpu")


def test_another_networks_tensors_are_told(tmp_path):
    file = tmp_path / "other.safetensors"
    file.write_bytes(b"")

    def load(path, device):
        raise KeyError("stem.weight")

    with pytest.raises(AssetError, match=r"inpainting network's tensors \(KeyError\)"):
        open_weights(file, "inpainting", load, "cpu")


def test_the_network_is_what_the_loader_gives(tmp_path):
    file = tmp_path / "right.safetensors"
    file.write_bytes(b"")
    assert open_weights(file, "completion", lambda path, device: (path.name, device), "cpu") == (
        file.name,
        "cpu",
    )
