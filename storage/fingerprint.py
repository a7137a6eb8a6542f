"""What decides a pair's bytes besides the plan: settings, stages, weights and code, as one SHA-256."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from storage.files import canonical_json, sha256_bytes


def fingerprint(config: Mapping[str, Any]) -> str:
    """Hex SHA-256 of the canonical JSON of ``config``.

    ``config`` is plain data; by custom it has ``settings``, ``stages`` (name to version), ``weights`` and
    ``assets`` (name to SHA-256), ``code`` (version) and ``device``. What can change a byte belongs in it,
    and nothing that cannot (number of workers, paths, dates).

    Raises:
        TypeError, ValueError: a value has no finite JSON form.
    """
    return sha256_bytes(canonical_json(config))


def differences(old: Mapping[str, Any], new: Mapping[str, Any], limit: int = 5) -> str:
    """The first few settings that differ, for error messages: ``stages.warp: 1 -> 2``."""
    before, after = _flat(old), _flat(new)
    names = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    shown = [f"{name}: {before.get(name, 'absent')} -> {after.get(name, 'absent')}" for name in names[:limit]]
    return "; ".join(shown) + (f"; and {len(names) - limit} more" if len(names) > limit else "")


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, item in value.items():
        if isinstance(item, Mapping):
            flat |= _flat(item, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = canonical_json(item).decode()
    return flat
