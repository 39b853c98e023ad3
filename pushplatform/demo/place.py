"""Where the demo keeps what it makes."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def demo_folder() -> Path:
    """`var/` of this clone, or what DEMO_DIR names."""
    return Path(os.environ.get("DEMO_DIR") or ROOT / "var").absolute()
