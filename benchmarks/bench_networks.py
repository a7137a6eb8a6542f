"""Parser and swap networks in every runtime that a wheel installs: CPU time of a picture on one thread, and agreement.

Ours is what the pipeline runs: torch, bfloat16 where the processor has it, channels last, without a graph. The peer
of each row is that network in another runtime. Pictures are synthetic: cost does not depend on what they show, and
agreement is measured on smooth pictures with edges. Each runtime's rows come from a process of its own, with ours
measured in turn with it; a runtime that is not installed is left out.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from assets.registry import asset_path
from benchmarks.harness import Row, row, save
from models.networks.bisenet import load_bisenet
from models.networks.completion import load_completion
from models.networks.inpainting import load_inpainting
from models.networks.unet import autocast

# Network, side of the image, pictures at once. Eyes are crops of one size, two for a face, whatever the image's.
SHAPES = (
    ("parser", 512, 1), ("parser", 512, 8), ("eyes", 48, 1), ("eyes", 48, 8), ("inpainting", 256, 1),
    ("inpainting", 256, 8), ("inpainting", 512, 1), ("inpainting", 512, 8),
)  # fmt: skip
RUNTIMES = {
    "torch float32": "torch", "torch float32, channels first": "torch", "torch.compile bfloat16": "torch",
    "ONNX Runtime float32": "onnxruntime", "OpenVINO float32": "openvino", "OpenVINO bfloat16": "openvino",
}  # fmt: skip
REPEAT, BUDGET = 5, 3.0  # calls of each, CPU seconds of both
Run = Callable[[list[Tensor]], np.ndarray]


class Eyes(nn.Module):
    """The completion network's eyes alone, so that a graph has one input."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        """Two eyes of each face."""
        painted: Tensor = self.net("eye", x)
        return painted


def network(name: str) -> nn.Module:
    """With its weights, as the pipeline loads it."""
    if name == "parser":
        return load_bisenet(asset_path("bisenet"))
    if name == "eyes":
        return Eyes(load_completion(asset_path("completion")))
    return load_inpainting(asset_path("inpainting"))


def pictures(name: str, side: int, count: int) -> list[Tensor]:
    """Inputs of a network, channels last."""
    rng = np.random.default_rng(0)
    width, number = (80, 2 * count) if name == "eyes" else (side, count)
    rows, columns = np.mgrid[:side, :width] / side
    smooth = np.stack([0.5 + 0.3 * np.sin(7 * rows + k) * np.cos(5 * columns) for k in range(3)])
    image = np.stack([smooth + 0.1 * (rows > rng.random()) for _ in range(number)])
    disc = (np.hypot(rows - 0.5, columns - width / side / 2) < 0.35).astype(float)
    mask = np.broadcast_to(disc, (number, 1, side, width))
    known = np.broadcast_to(disc * (np.hypot(rows - 0.5, columns - width / side / 2) < 0.3), mask.shape)
    given = {"parser": [4 * image - 2], "eyes": [np.concatenate([image, mask, mask - known], 1)]}
    arrays = given.get(name, [image, known, mask])
    return [
        torch.from_numpy(a.astype(np.float32)).contiguous(memory_format=torch.channels_last) for a in arrays
    ]


def torch_run(net: nn.Module, half: bool) -> Run:
    """Without a graph, as the pipeline runs."""

    def run(x: list[Tensor]) -> np.ndarray:
        with torch.inference_mode(), autocast("cpu") if half else torch.autocast("cpu", enabled=False):
            return net(*x).float().numpy()

    return run


def runtime(kind: str, name: str, x: list[Tensor]) -> Run:
    """A network in one of ``RUNTIMES``, for pictures of this shape."""
    net = network(name)
    if kind == "torch float32":
        return torch_run(net, half=False)
    if kind == "torch float32, channels first":
        run = torch_run(net.to(memory_format=torch.contiguous_format), half=False)
        return lambda x: run([one.contiguous() for one in x])
    if kind.startswith("torch.compile"):
        compiled = torch.compile(net, dynamic=False)
        return torch_run(compiled, half=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.onnx"
        plain = [one.contiguous() for one in x]
        names = [f"x{k}" for k in range(len(x))]
        with torch.inference_mode():
            torch.onnx.export(net, tuple(plain), path, input_names=names, output_names=["y"], dynamo=False)
        if kind.startswith("ONNX"):
            import onnxruntime

            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
            return lambda x: session.run(None, {n: one.numpy() for n, one in zip(names, x, strict=True)})[0]
        import openvino

        core = openvino.Core()
        wanted = {
            "INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "bf16" if "bfloat16" in kind else "f32",
        }  # fmt: skip
        model = core.compile_model(core.read_model(path), "CPU", wanted)
        return lambda x: model([one.numpy() for one in x])[0]


def measure(kind: str) -> list[list[object]]:
    """For each shape: CPU milliseconds of a picture, ours and this runtime's, and its PSNR against float32."""
    torch.set_num_threads(1)
    found: list[list[object]] = []
    for name, side, count in SHAPES:
        x = pictures(name, side, count)
        ours, theirs = torch_run(network(name), half=True), runtime(kind, name, x)
        plain = x if "channels" not in kind and "torch" in kind else [one.contiguous() for one in x]
        exact = torch_run(network(name), half=False)(x)
        psnr = [agreement(name, answer, exact) for answer in (ours(x), theirs(plain))]
        spent: tuple[list[float], list[float]] = ([], [])
        while len(spent[0]) < REPEAT and sum(spent[0]) + sum(spent[1]) < BUDGET:
            for run, given, into in ((ours, x, spent[0]), (theirs, plain, spent[1])):
                before = time.process_time()
                run(given)
                into.append(time.process_time() - before)
        found.append([name, side, count, *(1e3 * float(np.median(s)) / count for s in spent), *psnr])
    return found


def agreement(name: str, answer: np.ndarray, exact: np.ndarray) -> float:
    """PSNR in dB of a picture in [0, 1], at most 99; of the parser, percent of the pixels that get the same class."""
    if name == "parser":
        return 100 * float((answer.argmax(1) == exact.argmax(1)).mean())
    square = float(((np.clip(answer, 0, 1) - np.clip(exact, 0, 1)) ** 2).mean())
    return float(min(99.0, -10 * np.log10(max(square, 1e-12))))


def main() -> list[Row]:
    """A row of cost for each runtime and shape; the note has the agreements with float32, ours first."""
    rows = []
    for kind, package in RUNTIMES.items():
        if find_spec(package) is None:
            print(f"{kind} is left out: {package} is not installed.", file=sys.stderr)
            continue
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.bench_networks", kind],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            print(f"{kind} is left out: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
            continue
        for name, side, count, ours, theirs, own, other in json.loads(done.stdout.splitlines()[-1]):
            unit = "% of pixels" if name == "parser" else "dB"
            what = "eyes of a face" if name == "eyes" else f"{name}, {side}²"
            rows.append(
                row(f"{what}, {count} at once", ours, theirs, "CPU ms", peer_name=kind,
                    note=f"against float32: ours {own:.4g} {unit}, peer {other:.4g}")
            )  # fmt: skip
    return rows


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1])))
    else:
        packages = [p for p in ("torch", "onnxruntime", "openvino") if find_spec(p)]
        save("networks", main(), packages=packages)
