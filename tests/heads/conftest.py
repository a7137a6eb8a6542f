"""Writers of the published formats for the tests of this folder."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # scanned
sys.path.insert(0, str(Path(__file__).parents[1] / "formats"))  # published
