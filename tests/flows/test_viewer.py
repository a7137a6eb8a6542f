from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows import viewer
from flows.viewer import SPAN, pack, spread_keys, unpack, viewer_data, viewer_section
from storage.store import Store
from tests.flows.sphere_store import radius_of, sphere_store

FLAGS = (
    "--headless=new", "--no-sandbox", "--no-first-run", "--disable-quic", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--window-size=900,700",
)  # fmt: skip
WEBGL = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")


def sphere(radius: float) -> SimpleNamespace:
    import trimesh

    mesh = trimesh.creation.icosphere(4, radius)
    return SimpleNamespace(
        vertices=mesh.vertices.astype(np.float32), head=SimpleNamespace(faces=np.asarray(mesh.faces))
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    made = sphere_store(tmp_path_factory.mktemp("viewer") / "store")
    return replace(made, description={**made.description, "snapshot": {"relief_sphere.npz": {}}})


@pytest.fixture
def data(store: Store, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    reader = SimpleNamespace(read=lambda key: sphere(radius_of(key)))
    monkeypatch.setattr(viewer, "MeshReader", lambda store: reader)
    made = viewer_data(store, ["00000001", "00000002"])
    assert made is not None
    return made


@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(1, 200))
def test_packing_loses_nothing(seed: int, rows: int, count: int) -> None:
    numbers = np.random.default_rng(seed).integers(0, 8192, (rows, count))
    assert (unpack(pack(numbers, 16), len(numbers), 16) == numbers).all()
    assert (unpack(pack(numbers * 7000, 32), len(numbers), 32) == numbers * 7000).all()


def test_meshes_are_there_to_a_half_step(data: dict[str, Any]) -> None:
    pair = data["pairs"][0]
    steps = unpack(pair["vertices"], 3, 16)
    points = steps.T / data["steps"] * 2 * SPAN - SPAN
    assert np.abs(points - sphere(radius_of("00000001")).vertices).max() <= SPAN / data["steps"] + 1e-6
    faces = unpack(data["heads"]["sphere"]["faces"], 1, 32).reshape(-1, 3)
    assert (faces == sphere(1).head.faces).all()
    seen = unpack(pair["seen"], 1, 16)[0] / 255
    assert seen[points[:, 2] > 0.9 * radius_of("00000001")].min() > 0.9, "what faces the viewer is seen"
    assert seen[points[:, 2] < -0.1].max() == 0, "the back is not"


def test_pairs_are_spread_over_the_yaws(store: Store) -> None:
    assert len(spread_keys(store, 99)) == 12
    chosen = spread_keys(store, 3)
    assert len(set(chosen)) == 3
    yaws = [store.plan.row(key).yaw for key in chosen]
    assert yaws == sorted(yaws)


def test_a_store_without_meshes_has_no_viewer(store: Store) -> None:
    assert (
        viewer_data(replace(store, description={**store.description, "snapshot": {}}), ["00000001"]) is None
    )
    assert viewer_data(store, []) is None


def test_text_of_a_store_cannot_end_the_script(data: dict[str, Any]) -> None:
    data["pairs"][0]["texture"] = "</script><script>alert(1)</script>"
    assert "alert(1)</script>" not in viewer_section(data)


@pytest.fixture
def browser(request: pytest.FixtureRequest) -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("needs Debian's packages chromium and chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    with tempfile.TemporaryDirectory() as profile:
        for flag in (*FLAGS, *request.param, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        opened = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
        yield opened
        opened.quit()


def shown(browser: Any, page: Path, wait: str) -> np.ndarray:
    """The canvas as RGBA once the page is ready."""
    deadline = time.monotonic() + 60
    while not browser.execute_script(wait) and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(0.3)
    url = browser.execute_script("return document.querySelector('#viewer canvas').toDataURL('image/png')")
    import base64

    data = np.frombuffer(base64.b64decode(url.split(",")[1]), np.uint8)
    return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_UNCHANGED), cv2.COLOR_BGRA2RGBA)


@pytest.mark.parametrize("browser", [WEBGL], indirect=True)
def test_a_browser_draws_the_sphere_where_it_is_and_turns_it(
    browser: Any, data: dict[str, Any], tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    page.write_text(f"<!doctype html><meta charset=utf-8>{viewer_section(data)}")
    browser.get(page.as_uri())
    ready = "return !!document.querySelector('#viewer').dataset.ready"
    first = shown(browser, page, ready)
    radius, side = radius_of("00000002"), len(first)  # the middle one of two is shown first
    covered = (first[..., 3] > 127).mean()
    assert covered == pytest.approx(np.pi * (0.92 * radius) ** 2 / 4, rel=0.05), "front view, to scale"
    middle = side // 2
    browser.execute_script("document.querySelector('[data-mode=\"1\"]').click()")
    normals = shown(browser, page, ready)
    assert np.abs(normals[middle, middle, :3].astype(int) - [128, 128, 255]).max() <= 6, (
        "z to the viewer is blue"
    )
    right = middle + int(0.9 * 0.92 * radius * middle)
    assert normals[middle, right, 0] > 220, "x to the right is red"
    key = "document.querySelector('#viewer canvas').dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight'}));"
    browser.execute_script(key * 16)
    turned = shown(browser, page, ready)
    assert turned[middle, middle, 0] < 60, "turned by 92 degrees the left side, of normal -x, is in front"
    browser.execute_script("document.querySelector('[data-overlay]').click()")
    browser.execute_script("document.querySelector('[data-front]').click()")
    over = shown(browser, page, ready)
    assert (over[..., 3] > 127).mean() == pytest.approx(0.92**2, rel=0.05), "the picture stands behind"
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


@pytest.mark.parametrize("browser", [("--disable-gpu", "--disable-3d-apis")], indirect=True)
def test_without_webgl_a_sentence_says_so(browser: Any, data: dict[str, Any], tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(f"<!doctype html><meta charset=utf-8>{viewer_section(data)}")
    browser.get(page.as_uri())
    text = browser.find_element("css selector", "#viewer .say").text
    assert "no WebGL 2" in text
    assert "facepairs mesh KEY" in text
    assert not browser.find_element("css selector", "#viewer canvas").is_displayed()
