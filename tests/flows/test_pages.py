from __future__ import annotations

import http.client
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows import pages


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    """A home with one noted folder, and the port of its pages."""
    home = tmp_path_factory.mktemp("home")
    folder = home / "out" / "sdf <run>"
    folder.mkdir(parents=True)
    (folder / "report.html").write_text("a report")
    (folder / "store.json.bak").write_text("not to be served")
    (home / "secret.txt").write_text("secret")
    pages.note(home, folder)
    with pages.serving(home, "127.0.0.1", 0) as port:
        yield home, port


def get(port: int, path: str, host: str | None = None) -> tuple[int, str, http.client.HTTPMessage]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.putrequest("GET", path, skip_host=True)
    connection.putheader("Host", host or f"127.0.0.1:{port}")
    connection.endheaders()
    answer = connection.getresponse()
    return answer.status, answer.read().decode("utf-8", "replace"), answer.headers


def test_the_index_names_folders_and_their_files(served: tuple[Path, int]) -> None:
    status, body, headers = get(served[1], "/")
    assert status == 200
    assert "sdf &lt;run&gt;" in body
    assert "report.html" in body
    assert "contact_sheet.png" not in body, "a file that is not there is not offered"
    assert headers["Content-Security-Policy"] == pages.POLICY


def test_a_file_is_served_and_one_that_is_not_there_is_not(served: tuple[Path, int]) -> None:
    slug = pages.places(served[0])[0].slug.replace("<", "%3C").replace(">", "%3E").replace(" ", "%20")
    assert get(served[1], f"/{slug}/report.html")[:2] == (200, "a report")
    assert get(served[1], f"/{slug}/datasheet.md")[0] == 404


def test_a_foreign_host_name_is_refused(served: tuple[Path, int]) -> None:
    assert get(served[1], "/", host="evil.example")[0] == 421
    assert get(served[1], "/", host="localhost")[0] == 200


@settings(deadline=None, max_examples=40)
@given(st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="#? "), max_size=30))
def test_no_other_path_leads_anywhere(served: tuple[Path, int], path: str) -> None:
    status, body, _ = get(served[1], "/" + path)
    assert status in (404, 400, 200)
    assert status != 200 or "<h1>Stores</h1>" in body or body == "a report"


@pytest.mark.parametrize(
    "path", ["../secret.txt", "..%2fsecret.txt", "report.html/../../../secret.txt", "store.json.bak"]
)
def test_traversal_is_not_found(served: tuple[Path, int], path: str) -> None:
    slug = pages.places(served[0])[0].slug.replace("<", "%3C").replace(">", "%3E").replace(" ", "%20")
    assert get(served[1], f"/{slug}/{path}")[0] == 404


def test_a_note_that_is_no_note_is_passed_over(tmp_path: Path) -> None:
    pages.note(tmp_path, tmp_path / "a")
    (tmp_path / pages.NOTES / "x.json").write_text("[1]")
    (tmp_path / pages.NOTES / "y.json").write_text("{")
    assert [place.folder.name for place in pages.places(tmp_path)] == ["a"]
    assert pages.places(tmp_path)[0].status == "no store is here any more"


def test_links_need_a_dashboard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(pages.ADDRESS, raising=False)
    assert pages.link("a") is None
    monkeypatch.setenv(pages.ADDRESS, "http://127.0.0.1:4201")
    assert pages.link("a", "report.html") == "http://127.0.0.1:4201/a/report.html"
