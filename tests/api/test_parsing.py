"""Bodies that are not good JSON are refused before anything looks at them."""

import json

import pytest

from pushplatform.api.parsing import MAX_BODY, MAX_DEPTH, parse_json
from pushplatform.api.problems import Problem


def refused(raw: bytes) -> Problem:
    with pytest.raises(Problem) as problem:
        parse_json(raw)
    return problem.value


@pytest.mark.parametrize("value", [None, True, 0, -1.5, "é😀", [], {"a": {"b": [1, "\\u0000 written out"]}}, 10**300])
def test_json_comes_out_as_it_is(value: object) -> None:
    assert parse_json(json.dumps(value).encode()) == value
    assert parse_json(json.dumps(value, ensure_ascii=False).encode()) == value


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "line 1, column 1"),
        (b'{"a": 1,\n "b": }', "line 2, column 7"),
        (b'{"a": 1} trailing', "line 1, column 10"),
        (b"{'a': 1}", "line 1, column 2"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "-Infinity"),
        (b'{"a": 1e999}', "range"),
        (b'{"a": 1, "a": 2}', '"a" stands twice'),
        (b"1" * 500, "digits"),
        (b'"\xff"', "octet 1"),
        ('{"a": 1}'.encode("utf-16"), "UTF-8"),
        (b'"line\nbreak"', "column 6"),
    ],
)
def test_what_is_not_json_is_400_and_says_where(raw: bytes, says: str) -> None:
    problem = refused(raw)
    assert (problem.status, problem.code) == (400, "malformed_json")
    assert says in problem.detail


def test_nesting_has_a_limit_that_cannot_be_crashed_through() -> None:
    deep = lambda levels: b"[" * levels + b"]" * levels  # noqa: E731
    assert parse_json(deep(MAX_DEPTH))
    for levels in (MAX_DEPTH + 1, 5_000, 300_000):
        assert refused(deep(levels)).code == "too_deep"


def test_a_body_may_have_a_mebibyte_and_not_an_octet_more() -> None:
    largest = b'"' + b"x" * (MAX_BODY - 2) + b'"'
    assert parse_json(largest)
    assert (refused(largest + b" ").status, refused(largest + b" ").code) == (413, "body_too_large")


def test_null_characters_and_lone_surrogates_are_named_by_pointer() -> None:
    problem = refused(rb'{"a/b": ["fine", "\u0000"], "c": "\ud800", "d": {"\udfff": 1}, "e": "\ud83d\ude00 \\u0000"}')
    assert (problem.status, problem.code) == (422, "invalid_text")
    assert [error.pointer for error in problem.errors] == ["/a~1b/1", "/c", "/d"]
