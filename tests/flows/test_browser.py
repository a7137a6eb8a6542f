"""The dashboard in a real browser: the run, its graph, its artifacts, and who is asked for what.

Runs before test_dashboard.py, whose last test stops the session's dashboard.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from toy_dashboard import Dashboard, wait_for

DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    DRIVER is None or shutil.which("chromium") is None, reason="needs Debian's chromium and chromium-driver"
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    for flag in (
        "headless=new", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
        "disable-component-update", "disable-sync", "window-size=1400,1000",
        f"user-data-dir={tmp_path_factory.mktemp('chromium')}",
    ):  # fmt: skip
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.set_page_load_timeout(120)
    try:
        yield driver
    finally:
        driver.quit()


def body(browser: Any) -> str:
    return str(browser.execute_script("return document.body ? document.body.innerText : ''"))


def open_page(browser: Any, address: str, *words: str) -> str:
    """Open a page and wait until it says these words."""
    browser.get(address)
    return str(wait_for(lambda: all(w in (text := body(browser)) for w in words) and text, 90))


def asked(browser: Any) -> tuple[set[str], set[str]]:
    """Hosts that were asked for something since the last call, and hosts that the policy kept from being asked."""
    sent: dict[str, str] = {}
    refused: set[str] = set()
    for entry in browser.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        told = message["params"]
        if message["method"] == "Network.requestWillBeSent":
            sent[told["requestId"]] = told["request"]["url"]
        elif message["method"] == "Network.loadingFailed" and told.get("blockedReason") == "csp":
            refused.add(told["requestId"])
        elif message["method"] == "Network.webSocketCreated":
            sent[told["requestId"]] = told["url"]
    web = {i: urlsplit(u).netloc for i, u in sent.items() if u.startswith(("http", "ws"))}
    return {h for i, h in web.items() if i not in refused}, {h for i, h in web.items() if i in refused}


def test_the_run_its_graph_and_its_artifacts_are_found(dash: Dashboard, browser: Any) -> None:
    run = dash.run_of("synthesize")
    assert run is not None
    page = f"{dash.url}/v2/runs/flow-run/{run['id']}"
    open_page(browser, f"{dash.url}/v2/runs", "synthesize-store")
    open_page(browser, page, "synthesize-store", "Completed", "first", "faces")
    graph = wait_for(lambda: browser.find_elements("css selector", "canvas"))[0]
    assert graph.size["width"] > 300, "the graph is drawn"
    open_page(browser, f"{page}?tab=TaskRuns", "shard-0000", "judge-0000")
    keys = ("pairs", "run-summary", "yield-per-stage", "reject-reasons", "contact-sheet", "report")
    open_page(browser, f"{page}?tab=Artifacts", *keys)


def test_artifacts_show_the_store(dash: Dashboard, browser: Any) -> None:
    found = {a["key"]: a["id"] for a in dash.ask("artifacts/filter", {"limit": 50})}
    at = f"{dash.url}/v2/artifacts/artifact"
    open_page(browser, f"{at}/{found['run-summary']}", "16 pairs of 20 planned", "gen-000001.json")
    open_page(browser, f"{at}/{found['yield-per-stage']}", "judge", "ms_per_row")
    open_page(browser, f"{at}/{found['contact-sheet']}", "contact-sheet")
    wide = "return [...document.images].map(i => i.src.includes('contact_sheet') ? i.naturalWidth : 0)"
    assert max(wait_for(lambda: (w := browser.execute_script(wide)) and max(w) and w)) > 100, (
        "the picture is there"
    )
    open_page(browser, f"{at}/{found['report']}", "report.html")
    link = browser.find_element("link text", "report.html").get_attribute("href")
    open_page(browser, link, "store")


def test_nothing_is_asked_of_the_internet(dash: Dashboard, browser: Any) -> None:
    """Pages that name foreign resources are among these: their requests end in the browser."""
    for path in (
        "v2/dashboard",
        "v2/automations",
        "v2/deployments",
        "v2/work-pools/create",
        "v2/blocks/catalog",
        "dashboard",
    ):
        browser.get(f"{dash.url}/{path}")
        wait_for(lambda: len(body(browser)) > 50, 90)
    browser.get(dash.pages)
    went, refused = asked(browser)
    assert went <= {f"127.0.0.1:{dash.port}", f"127.0.0.1:{dash.port + 1}"}
    assert refused, "the interface tried; without the policy this test would prove nothing"


def test_parameters_are_a_form_in_the_ui(dash: Dashboard, browser: Any) -> None:
    found = {d["name"]: d["id"] for d in dash.ask("deployments/filter", {})}
    open_page(
        browser,
        f"{dash.url}/v2/deployments/deployment/{found['first']}/run",
        "Pairs to plan",
        "Worker processes",
    )


def test_screens_fit_the_docs() -> None:
    """Pictures in the docs stay small enough to clone."""
    for name in ("run-page", "run-artifacts", "run-stages", "deployments"):
        assert (Path(__file__).parents[2] / "docs" / "pictures" / f"{name}.webp").stat().st_size < 120_000
