"""Keeps the dashboard's pages from reaching the internet: a Content-Security-Policy in the copy of the UI we serve.

Whatever the server's settings say, Prefect's UI asks an analytics host for its configuration whenever a page opens, and
shows logos of block and worker types from two content hosts (docs/adr/022). With the policy the browser refuses that.
"""

from __future__ import annotations

import re
from pathlib import Path

from storage.files import write_replace

LOOPBACK = "http://127.0.0.1:*"
_META = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')


def policy(pictures: str = LOOPBACK) -> str:
    """The policy: everything from the server itself, pictures also from ``pictures`` (an origin)."""
    own = "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:"
    return f"{own}; img-src 'self' data: blob: {pictures}; object-src 'none'; base-uri 'self'"


def confine(ui: Path, pictures: str = LOOPBACK) -> list[Path]:
    """Put the policy into every ``index.html`` under ``ui``; returns those pages.

    Args:
        ui: Prefect's UI static directory, which the server fills when it starts.
        pictures: origin that image artifacts come from.
    """
    pages = sorted(ui.glob("**/index.html"))
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy(pictures)}">'
    for page in pages:
        text = _META.sub("", page.read_text())
        write_replace(page, text.replace("<head>", f"<head>{meta}", 1).encode())
    return pages
