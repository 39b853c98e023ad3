"""Forgets the demo: `python -m pushplatform.demo.reset`. Needs nothing installed."""

import shutil
import sys
from pathlib import Path

from pushplatform.demo import reach
from pushplatform.demo.place import demo_folder
from pushplatform.demo.state import State, Unusable


def reset(folder: Path) -> None:
    """Deletes what the demo made, in its folder and elsewhere for it; other things in the folder stay.

    Raises Unusable while it runs, PermissionError when something is another user's.
    """
    if not folder.exists():
        return
    state = State(folder)
    with state.alone():
        reach.remove_private_places(state.postgres)
        for path in state.everything():
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()


def main() -> None:
    folder = demo_folder()
    try:
        reset(folder)
    except Unusable as error:
        sys.exit(str(error))
    except PermissionError as error:
        sys.exit(f"{error.filename} belongs to another user. Run `make demo-reset` as that user.")
    print(f"The demo in {folder} is forgotten.")


if __name__ == "__main__":
    main()
