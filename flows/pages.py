"""Reports and contact sheets beside the dashboard: the stores that runs told of, over HTTP on loopback.

A run notes its folder in the dashboard's home (:func:`note`); the server reads folders and counts anew at every
request, so a page is as true as the disk. Only the files of ``FILES`` are served, nothing else of a folder.
"""

from __future__ import annotations

import hashlib
import html
import json
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from storage.errors import StoreError
from storage.files import write_replace
from storage.generation import latest
from storage.store import Store

log = logging.getLogger(__name__)

ADDRESS = "FACEPAIRS_PAGES"  # variable that tells runs where their pages are served
NOTES = "pages"  # folder of notes in the dashboard's home
FILES = {
    "report.html": "text/html; charset=utf-8",
    "contact_sheet.png": "image/png",
    "audit/audit.html": "text/html; charset=utf-8",
    "datasheet.md": "text/plain; charset=utf-8",
    "croissant.json": "application/json",
}
# Reports are self-contained; should one name a resource elsewhere, the browser refuses it.
POLICY = "default-src 'self' 'unsafe-inline' data: blob:"


@dataclass(frozen=True)
class Place:
    """A folder that runs told of."""

    slug: str
    folder: Path

    @property
    def files(self) -> list[str]:
        """The files of ``FILES`` that are there."""
        return [name for name in FILES if (self.folder / name).is_file()]

    @property
    def status(self) -> str:
        """What the disk says of it, in a line."""
        if not (self.folder / "store.json").is_file():
            return "no store is here any more"
        try:
            store = Store.open(self.folder, allow_mixed=True)
            counts, published = store.counts(), latest(self.folder)
        except (StoreError, OSError) as error:
            return str(error)
        return (
            f"{counts.planned} planned = {counts.committed} committed + {counts.rejected} rejected + "
            f"{counts.pending} pending; {published.name if published else 'nothing published'}"
        )


def slug_of(folder: Path) -> str:
    """Name of a folder that no other folder has: the first part of its pages' path."""
    return f"{folder.name}-{hashlib.sha256(str(folder.absolute()).encode()).hexdigest()[:8]}"


def note(home: Path, folder: Path) -> str:
    """Note a store's folder for the pages; returns its slug."""
    folder, slug = folder.absolute(), slug_of(folder)
    (home / NOTES).mkdir(parents=True, exist_ok=True)
    write_replace(home / NOTES / f"{slug}.json", json.dumps({"folder": str(folder)}).encode())
    return slug


def link(slug: str, file: str = "") -> str | None:
    """Address of a noted folder's file; None where no dashboard serves pages."""
    base = os.environ.get(ADDRESS)
    return f"{base}/{slug}/{file}" if base else None


def places(home: Path) -> list[Place]:
    """The noted folders, by name."""
    found = []
    for path in sorted((home / NOTES).glob("*.json")):
        try:
            found.append(Place(path.stem, Path(json.loads(path.read_text())["folder"])))
        except (json.JSONDecodeError, KeyError, TypeError):
            log.warning("%s is not a note of a folder; remove it", path)
    return found


@contextmanager
def serving(home: Path, host: str, port: int, names: tuple[str, ...] = ()) -> Iterator[int]:
    """Serve the noted folders in a thread while the block lasts; gives the port.

    Args:
        home: the dashboard's home.
        host: address to listen on.
        port: port to listen on; 0 takes a free one.
        names: host names that a browser may use beside loopback's.

    Raises:
        OSError: the port is taken.
    """
    handler = type("Handler", (_Handler,), {"home": home, "names": {*_LOOPBACK, *names}})
    server = ThreadingHTTPServer((host, port), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="pages", daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class _Handler(BaseHTTPRequestHandler):
    """GET / lists the folders, GET /SLUG/FILE gives a file of ``FILES``."""

    home: Path
    names: set[str]
    server_version, sys_version = "facepairs", ""
    timeout = 30

    def do_GET(self) -> None:
        """Answer."""
        # A foreign name that leads here (DNS rebinding) must not read our pages.
        if urlsplit(f"//{self.headers.get('Host', '')}").hostname not in self.names:
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
            return
        path = unquote(urlsplit(self.path).path).strip("/")
        slug, _, file = path.partition("/")
        if not path:
            self._send(_index(places(self.home)).encode(), FILES["report.html"])
            return
        place = next((p for p in places(self.home) if p.slug == slug), None)
        if place is None or file not in FILES:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        try:
            self._send((place.folder / file).read_bytes(), FILES[file])
        except OSError:
            self.send_error(HTTPStatus.NOT_FOUND, "this file is not written yet")

    def _send(self, body: bytes, kind: str) -> None:
        self.send_response(HTTPStatus.OK)
        for name, value in (
            ("Content-Type", kind), ("Content-Length", str(len(body))), ("Content-Security-Policy", POLICY),
            ("X-Content-Type-Options", "nosniff"), ("Cache-Control", "no-store"),
        ):  # fmt: skip
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Requests go to the log at debug level."""
        log.debug(format, *args)


def _index(found: list[Place]) -> str:
    """The list of folders as HTML."""
    rows = "".join(
        f"<li><b>{html.escape(place.folder.name)}</b> <small>{html.escape(str(place.folder))}</small>"
        f"<br>{html.escape(place.status)}<br>"
        + " · ".join(f'<a href="/{html.escape(place.slug)}/{name}">{name}</a>' for name in place.files)
        for place in found
    )
    style = "body{font:15px sans-serif;max-width:60em;margin:2em auto}li{margin:1em 0}small{color:#777}"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>facepairs</title><style>{style}</style>'
        f"<h1>Stores</h1><ul>{rows or '<li>No run has told of a store yet.'}</ul></html>"
    )
