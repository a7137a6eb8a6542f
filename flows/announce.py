"""Custom events of a run: a generation was published, too many rows are rejected.

Events are best effort and may come twice, late or never. Whoever acts on one reads the store first: events say where
to look, not what is true.
"""

from __future__ import annotations

import logging
from typing import Any

from flows.config import SynthesizeConfig
from flows.pages import slug_of
from storage.generation import Generation
from storage.store import Store

log = logging.getLogger(__name__)

PUBLISHED = "facepairs.generation.published"
REJECTS_HIGH = "facepairs.rejects.high"
RESOURCE = "facepairs.store."
ENOUGH = 64  # rows made before a reject rate is told


def published(store: Store, generation: Generation) -> None:
    """Tell of a generation. A run that found everything done tells of it again: its event may have been lost."""
    _emit(PUBLISHED, store, {"generation": generation.name, "hash": generation.hash, **generation.totals})


def too_many(accepted: int, rejected: int, config: SynthesizeConfig) -> bool:
    """Whether the share of rejected rows is above the run's limit, once enough were made to say so."""
    made = accepted + rejected
    return made >= min(ENOUGH, config.pairs) and rejected > config.reject_alarm * made


def rejects_high(store: Store, accepted: int, rejected: int, config: SynthesizeConfig) -> None:
    """Tell that the reject rate passed the limit."""
    made = accepted + rejected
    _emit(REJECTS_HIGH, store, {"rejected": rejected, "made": made, "limit": config.reject_alarm})


def _emit(event: str, store: Store, payload: dict[str, Any]) -> None:
    from prefect.events import emit_event

    resource = {
        "prefect.resource.id": RESOURCE + slug_of(store.root),
        "prefect.resource.name": store.root.name,
    }
    try:
        emit_event(event, resource=resource, payload={"store": str(store.root.absolute()), **payload})
    except Exception as error:  # whatever the client raises: an event never holds up a run
        log.warning("the event %s could not be sent (%s)", event, error)
