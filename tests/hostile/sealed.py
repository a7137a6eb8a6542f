"""Sealed files as a hostile maker would write them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from storage.files import read_sealed, seal

Edit = Callable[[dict[str, Any]], object]


def edit(path: Path, change: Edit) -> None:
    """Change a sealed file and seal it again, as its maker could."""
    body = read_sealed(path)
    change(body)
    path.write_bytes(seal(body))
