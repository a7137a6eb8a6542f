"""Where things are kept that can be had again: annotations, run databases, tars of remote stores."""

from __future__ import annotations

import os
from pathlib import Path


def default_cache() -> Path:
    """Folder of everything that can be had again: FACEPAIRS_CACHE, else the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return Path(os.environ.get("FACEPAIRS_CACHE", f"{base}/facepairs")).expanduser()
