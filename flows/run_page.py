"""What the page of a synthesis run shows while it goes on: progress, throughput, time left, stages, rejects, pictures.

Each run has one artifact of each kind, which is updated in place from the store's commits: after a restart it goes on
where the disk is, not where the dead run was. A server that is away costs a page, never a pair.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from flows import pages
from flows.progress import Board
from flows.server import away
from flows.summary import markdown, reason_table, stage_table, underway
from storage.store import Store

log = logging.getLogger(__name__)

LEAST, SHARE = (
    10.0,
    50.0,
)  # seconds between refreshes: at least so many, and so many times what the last one took


class RunPage:
    """The artifacts of one synthesis run.

    Args:
        store: the store that the run fills.
        board: its counts of this run, for throughput and time left.
        home: the dashboard's home, where the store is noted for the pages.
    """

    def __init__(self, store: Store, board: Board, home: Path) -> None:
        self.store, self.board = store, board
        self._ids: dict[str, UUID] = {}
        self._next = 0.0
        self.slug = pages.note(home, store.root)

    def refresh(self, *, now: bool = False) -> None:
        """Bring the artifacts up to date, unless that happened a moment ago."""
        began = time.monotonic()
        if began < self._next and not now:
            return
        counts = self.store.counts()
        share = 100 * (counts.committed + counts.rejected) / max(1, counts.planned)
        told = underway(self.store, counts, self.board)
        with _forgiving():
            self._put("pairs", "progress", share, told.splitlines()[0].lstrip("# "))
            self._put("run-summary", "markdown", told, "What the run has made so far")
            self._put("yield-per-stage", "table", stage_table(self.store), "Rows in, rejects, seconds")
            self._put(
                "reject-reasons", "table", reason_table(counts.reasons, {}), "Why rows are not in the store"
            )
        ended = time.monotonic()
        self._next = ended + max(LEAST, SHARE * (ended - began))

    def finish(self, result: dict[str, Any]) -> None:
        """The final numbers, and the pictures where a dashboard serves them."""
        reasons = reason_table(result["reasons"], result["photo_reasons"])
        with _forgiving():
            made = f"{result['committed']} pairs of {result['planned']} planned"
            self._put("pairs", "progress", 100.0, made)
            self._put("run-summary", "markdown", markdown(result), "What the run made")
            self._put("yield-per-stage", "table", stage_table(self.store), "Rows in, rejects, seconds")
            self._put("reject-reasons", "table", reasons, "Why rows and photographs are not in the store")
            if result.get("report"):
                show_files(self.slug)

    def _put(self, key: str, kind: str, data: Any, description: str) -> None:
        """Create the artifact of a key, or update the one that this run has.

        Raises:
            ConnectionError: the server is away; asked first, because Prefect's client would try for a minute.
        """
        from prefect import artifacts
        from prefect.client.orchestration import get_client
        from prefect.client.schemas.actions import ArtifactUpdate
        from prefect.settings import PREFECT_API_URL

        url = PREFECT_API_URL.value()
        if url and away(url):
            msg = f"nobody answers at {url}"
            raise ConnectionError(msg)
        if key not in self._ids:
            create = {
                "progress": artifacts.create_progress_artifact,
                "markdown": artifacts.create_markdown_artifact,
                "table": artifacts.create_table_artifact,
            }[kind]
            self._ids[key] = create(data, key=key, description=description)
            return
        stored = json.dumps(data) if kind == "table" else data
        with get_client(sync_client=True) as client:
            client.update_artifact(self._ids[key], ArtifactUpdate(data=stored, description=description))


def show_files(slug: str) -> None:
    """Contact sheet as a picture and report as a link on the run page; nothing where no dashboard serves them."""
    from prefect.artifacts import create_image_artifact, create_link_artifact

    sheet, report = pages.link(slug, "contact_sheet.png"), pages.link(slug, "report.html")
    if sheet and report:
        create_image_artifact(
            sheet, key="contact-sheet", description="Random accepted pairs: image beside normals"
        )
        create_link_artifact(
            report, link_text="report.html", key="report", description="Pairs, rejects, histograms, licences"
        )


@contextmanager
def _forgiving() -> Iterator[None]:
    """A page that cannot be written is a line in the log."""
    try:
        yield
    except Exception as error:  # whatever the client raises: telemetry never holds up a run
        log.warning("the run page could not be brought up to date (%s); the pairs are not affected", error)
