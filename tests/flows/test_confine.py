from __future__ import annotations

from pathlib import Path

from flows.confine import confine, policy


def test_every_index_gets_the_policy_once(tmp_path: Path) -> None:
    for version in ("v1", "v2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "index.html").write_text("<html><head><title>x</title></head></html>")
    assert len(confine(tmp_path)) == 2
    pages = confine(tmp_path, "http://host:4201")
    for page in pages:
        text = page.read_text()
        assert text.count("Content-Security-Policy") == 1
        assert policy("http://host:4201") in text
        assert text.index("Content-Security-Policy") < text.index("<title>")


def test_the_policy_names_no_other_host() -> None:
    assert "https:" not in policy()
    assert policy().startswith("default-src 'self'")
    assert "connect-src" not in policy()  # falls back to default-src
