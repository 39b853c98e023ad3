"""docs/reliability.md names tests that exist, and says rightly which of them only `make soak` runs."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reliability.md").read_text()


class Named(NamedTuple):
    """A test as a row of the table names it. `words`: what its name has, "" for the whole file."""

    row: str
    file: Path
    words: str
    is_long: bool


def named() -> Iterator[Named]:
    for line in PAGE.splitlines():
        if not line.startswith("| ") or line.startswith("| fault"):
            continue
        cells = line.split(" | ")
        if len(cells) != 3:
            continue  # another table
        file = Path()
        for italics, text in re.findall(r"(\*?)`([^`]+)`", cells[2]):
            path, _, test = text.rpartition("::") if "::" in text else ("", "", text)
            if not path and text.startswith("…"):
                test = text
            elif not path and "=" not in text:
                path, test = text, ""
            elif not path:
                continue  # how to run it
            if path:
                file = ROOT / (path if path.startswith("tests/") else f"tests/faults/{path}")
                file = file if file.suffix else file.with_suffix(".py")
            yield Named(cells[0].strip("| "), file, test.strip("…"), bool(italics))


def long_by_name(file: Path) -> dict[str, bool]:
    """The file's tests, and whether `make test` leaves them out."""
    functions = [one for one in ast.parse(file.read_text()).body if isinstance(one, ast.FunctionDef)]
    return {
        one.name: any(ast.unparse(mark) == "pytest.mark.soak" for mark in one.decorator_list)
        for one in functions
        if one.name.startswith("test_")
    }


@pytest.mark.parametrize("one", list(named()), ids=lambda one: f"{one.file.stem}-{one.words}")
def test_a_test_that_the_page_names_is_there_and_as_long_as_it_says(one: Named) -> None:
    found = {name: is_long for name, is_long in long_by_name(one.file).items() if one.words in name}
    assert found, f"{one.row}: there is no such test"
    if one.words:
        assert len(found) == 1, f"{one.row}: several tests are called so"
    assert all(found.values()) is one.is_long, f"{one.row}: italics are for what `make soak` runs"


def test_every_fault_names_a_test() -> None:
    rows = {one.row for one in named()}
    faults = re.findall(r"^\| (.+?) \| .+ \| .+ \|$", PAGE.partition("## Settings")[0], re.MULTILINE)[1:]
    assert len(faults) > 20
    assert set(faults) <= rows
