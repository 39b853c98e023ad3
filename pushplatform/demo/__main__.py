"""The demo in one command: `python -m pushplatform.demo` (what `make demo` runs).

With `--end-with-parent` it stops when the program that started it is gone.
"""

import os
import signal
import sys

from pushplatform.demo.child import die_with_parent
from pushplatform.demo.place import demo_folder
from pushplatform.demo.postgres import CannotStart
from pushplatform.demo.process import Died
from pushplatform.demo.state import State, Unusable
from pushplatform.demo.supervisor import Supervisor


def main() -> int:
    """Runs until it is told to stop; 1 when something does not work."""
    if "--end-with-parent" in sys.argv[1:]:
        die_with_parent(signal.SIGTERM, os.getppid())
    state = State(demo_folder())
    try:
        state.prepare()
        Supervisor(state, os.environ, sys.stdout).run()
    except (CannotStart, Died, PermissionError, Unusable) as error:
        print(f"\nThe demo cannot go on. {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
