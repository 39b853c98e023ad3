"""Forgets the demo: `python -m pushplatform.demo.reset`. Needs nothing installed."""

import shutil
import sys
from pathlib import Path

from pushplatform.demo import reach
from pushplatform.demo.place import demo_folder
from pushplatform.demo.state import State, Unusable


def reset(folder: Path) -> None:
    """Deletes the demo's folder and what lies elsewhere for it. Raises Unusable while it runs."""
    if not folder.exists():
        return
    state = State(folder)
    with state.alone():
        reach.remove_private_places(state.postgres)
        shutil.rmtree(folder)


def main() -> None:
    folder = demo_folder()
    try:
        reset(folder)
    except Unusable as error:
        sys.exit(str(error))
    except PermissionError as error:
        sys.exit(f"{error.filename} belongs to another user. Run `make demo-reset` as that user.")
    print(f"{folder} is gone.")


if __name__ == "__main__":
    main()
