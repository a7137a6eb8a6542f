"""What can go wrong with a store. Every message is one sentence: what, where, expected, got, and the fix."""

from __future__ import annotations


class StoreError(RuntimeError):
    """The store, or a call to it, is not as it must be. Nothing was changed on disk."""


class SchemaError(StoreError):
    """A sample does not fit the field table."""


class CorruptStore(StoreError):  # noqa: N818  (a state, and the name reads as one)
    """Bytes on disk are not the bytes that were committed."""


class ShardAborted(StoreError):  # noqa: N818
    """The operating system refused a write; the shard stays pending and no sample was rejected for it."""


class DeterminismAlarm(StoreError):  # noqa: N818
    """Two attempts with the same plan and fingerprint made different bytes; both are kept for inspection."""
