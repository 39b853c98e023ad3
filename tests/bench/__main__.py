"""`python -m tests.bench NAME …`: run benchmarks, print their tables, write var/bench/NAME.json; no NAME lists them.

A benchmark is a module of this package with `run() -> dict`: metric → number, and "ratios" → {name: number}.
One that says `ON_STAGE = True` finds Django set up over an empty platform (see stage.py).
"""

import importlib
import json
import os
import pkgutil
import platform
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from tests.bench.stage import prepared

PACKAGE = Path(__file__).parent
RESULTS = PACKAGE.parents[1] / "var" / "bench"


def names() -> list[str]:
    """The benchmarks there are: modules of this package that have a `run`."""
    found = (module.name for module in pkgutil.iter_modules([str(PACKAGE)]) if not module.name.startswith("_"))
    return [name for name in found if _says(name, "\ndef run(")]


def _says(name: str, words: str) -> bool:
    return words in (PACKAGE / f"{name}.py").read_text()


def table(name: str, result: Mapping[str, Any]) -> str:
    """The result as lines of text, ratios last."""
    rows = [(metric, value) for metric, value in result.items() if metric != "ratios"]
    rows += [(f"ratio {ratio}", value) for ratio, value in result.get("ratios", {}).items()]
    width = max(len(metric) for metric, _ in rows)
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, {_processor()}"
    return "\n".join([f"{name}  ({machine})", *(f"  {metric:<{width}}  {_shown(value):>12}" for metric, value in rows)])


def main(arguments: list[str]) -> int:
    known = names()
    if not arguments:
        print("\n".join(known))
        return 0
    if unknown := [name for name in arguments if name not in known]:
        print(f"no benchmark is called {', '.join(unknown)}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    RESULTS.mkdir(parents=True, exist_ok=True)
    for name in arguments:
        with prepared() if _says(name, "\nON_STAGE = True") else nullcontext():
            result = importlib.import_module(f"tests.bench.{name}").run()
        (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n")
        print(table(name, result), flush=True)
    return 0


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
