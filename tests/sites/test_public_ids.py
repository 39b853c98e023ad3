import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pushplatform.sites.public_ids import KINDS, UnknownId, decode, encode

pytestmark = pytest.mark.django_db


@hypothesis_settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.sampled_from(sorted(KINDS)), st.integers(0, 2**63 - 1))
def test_what_was_encoded_is_decoded(kind, number):
    text = encode(kind, number)
    assert text.startswith(kind + "_")
    assert decode(kind, text) == number


def test_neighbours_look_nothing_alike():
    one, two = encode("msg", 1), encode("msg", 2)
    assert sum(a == b for a, b in zip(one[4:], two[4:], strict=True)) < 13


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.upper(),
        lambda text: text[:-1],
        lambda text: text + "a",
        lambda text: "msg_" + text[4:],
        lambda text: text[:-1] + ("b" if text[-1] != "b" else "c"),
        lambda text: text[:6] + "é" + text[7:],
        lambda text: "",
    ],
)
def test_anything_else_is_an_unknown_id(spoil):
    text = encode("dev", 7)
    with pytest.raises(UnknownId):
        decode("dev", spoil(text))
