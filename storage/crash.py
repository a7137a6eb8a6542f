"""Named places where a test may let the process die, as ``kill -9`` or a power cut would."""

from __future__ import annotations

import os

# In the order in which one undisturbed run meets them; tests take every one of them.
CREATE = ("plan_written", "snapshot_written", "store_sealed")
COMMIT = (
    "attempt_made", "tar_started", "tar_written", "tar_synced", "index_synced", "attempt_checked",
    "tar_moved", "index_moved", "shards_synced", "commit_temp", "commit_linked", "commit_synced",
)  # fmt: skip
PUBLISH = ("generation_linked", "latest_temp", "latest_replaced")
RETRY = ("retry_named", "retry_superseded", "retry_temp", "retry_replaced")
CRASHPOINTS = CREATE + COMMIT + PUBLISH


def crashpoint(name: str) -> None:
    """Die here without any clean-up if the environment asks for it (``FACEPAIRS_CRASH_AT=<name>``)."""
    if name and os.environ.get("FACEPAIRS_CRASH_AT") == name:
        os._exit(9)
