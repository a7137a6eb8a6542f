"""Flows that look after a store on a schedule or after an event: audit, gc, and the check of an alarm about rejects.

Each opens the store and reads what is there; what an event said is only where to look.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from prefect import flow, get_run_logger
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact
from prefect.states import Completed, Failed, State
from pydantic import BaseModel, ConfigDict, Field

from flows import pages
from flows.audit import FOLDER, run_audit
from flows.config import default_cache
from flows.summary import reason_table
from storage.gc import collect
from storage.store import Store
from storage.verify import verify_store


class AuditConfig(BaseModel):
    """An audit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    store: Annotated[Path, Field(description="Folder of the store.")]
    pairs: Annotated[int, Field(gt=0, description="Accepted pairs to look at, by whole sub-batches.")] = 400
    anew: Annotated[
        bool, Field(description="Throw away an audit of another state of the store, and begin again.")
    ] = True


class GcConfig(BaseModel):
    """A collection of garbage."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    store: Annotated[Path, Field(description="Folder of the store.")]
    remove: Annotated[
        bool, Field(description="Remove what no commit names; without it, it is only listed.")
    ] = True


@flow(name="audit", flow_run_name="audit-{config.store.name}", persist_result=False)
def audit(config: AuditConfig) -> dict[str, Any]:
    """Measure a store with observers that took no part in making it; a run that died resumes.

    Raises:
        StoreError: no store, or nothing in it to look at.
    """
    logger = get_run_logger()
    told = {"last": -1}

    def tell(what: str, done: int, total: int) -> None:
        if (tenth := 10 * done // max(1, total)) != told["last"]:
            told["last"] = tenth
            logger.info("%s: %d of %d", what, done, total)

    found = run_audit(config.store, config.pairs, anew=config.anew, tell=tell)
    rows = [{k: row[k] for k in ("what", "value", "way", "limit", "met")} for row in found["thresholds"]]
    create_table_artifact(rows, key="audit", description=f"{found['pairs']} pairs of {config.store.name}")
    slug = pages.note(default_cache() / "prefect", config.store)
    if page := pages.link(slug, f"{FOLDER}/audit.html"):
        create_link_artifact(
            page, link_text="audit.html", key="audit-page", description="The audit with its pictures"
        )
    return {"pairs": found["pairs"], "missed": [row["what"] for row in rows if row["met"] is False]}


@flow(name="gc", flow_run_name="gc-{config.store.name}", persist_result=False)
def gc(config: GcConfig) -> dict[str, Any]:
    """Remove what dead attempts left behind, after the store was found whole.

    Raises:
        StoreError: no store, or one that does not verify: then nothing can be called garbage.
    """
    store = Store.open(config.store, allow_mixed=True)
    problems = verify_store(store).problems
    if problems:
        create_table_artifact(
            [{"problem": str(p)} for p in problems], key="problems", description="Of the store"
        )
        return Failed(message=f"{len(problems)} problems, nothing was removed; the first: {problems[0]}")  # type: ignore[return-value]
    orphans = collect(store, dry_run=not config.remove)
    rows = [{"path": str(o.path), "MB": round(o.bytes / 1e6, 2), "why": o.why} for o in orphans]
    create_table_artifact(
        rows or [{"path": "none", "MB": 0, "why": ""}], key="orphans",
        description="Removed" if config.remove else "Found",
    )  # fmt: skip
    return {"orphans": len(orphans), "bytes": sum(o.bytes for o in orphans)}


@flow(name="check-rejects", flow_run_name="check-rejects", persist_result=False)
def check_rejects(store: Path, limit: float = 0.5) -> State:
    """Whether a store's reject rate is above a limit, from its commits; Failed when it is, so that somebody looks.

    Args:
        store: folder of the store.
        limit: share of rejected rows.

    Raises:
        StoreError: no store.
    """
    counts = Store.open(store, allow_mixed=True).counts()
    made = counts.committed + counts.rejected
    share = counts.rejected / max(1, made)
    create_table_artifact(
        reason_table(counts.reasons, {}), key="reject-reasons", description=f"Of {store.name}"
    )
    text = f"{counts.rejected} of {made} rows of {store} are rejected ({share:.0%}, the limit is {limit:.0%})"
    create_markdown_artifact(f"{text}.", key="reject-rate", description="As the disk says")
    if share <= limit:
        return Completed(message=f"No alarm: {text}.")
    return Failed(message=f"{text}; look at `facepairs why`, and pause the schedule if the source changed.")
