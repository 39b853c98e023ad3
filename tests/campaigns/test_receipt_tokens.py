import pytest

from campaigns import receipt_tokens
from campaigns.receipt_tokens import Tokens, TokenSubject, device_ref, parse_click, parse_receipts
from pushplatform.sites.models import Site
from tests.campaigns.shop import new_site

pytestmark = pytest.mark.django_db


@pytest.fixture
def site() -> Site:
    return new_site()


def tokens_of(site: Site) -> Tokens:
    return Tokens(bytes(site.receipt_secret), site.pk)


@pytest.mark.parametrize("ref", [1, 2**62, -1, -(2**63) + 1])
def test_a_token_tells_its_message_and_device(site: Site, ref: int) -> None:
    token = tokens_of(site).receipt(2**61 + 5, ref)
    assert parse_receipts([token])[0] == TokenSubject(site.pk, 2**61 + 5, ref)


def test_a_click_token_reports_nothing_and_a_receipt_token_leads_nowhere(site: Site) -> None:
    tokens = tokens_of(site)
    assert tokens.click(7, 8) != tokens.receipt(7, 8)
    assert parse_receipts([tokens.click(7, 8)])[0] is None
    assert parse_click(tokens.receipt(7, 8)) is None
    assert parse_click(tokens.click(7, 8)) == TokenSubject(site.pk, 7, 8)


def test_a_device_gets_the_same_token_when_a_message_is_sent_again(site: Site) -> None:
    assert tokens_of(site).receipt(7, 8) == tokens_of(site).receipt(7, 8)


def test_one_changed_character_anywhere_makes_a_token_worthless(site: Site) -> None:
    token = tokens_of(site).receipt(7, 8)
    forged = [token[:i] + ("A" if token[i] != "A" else "Q") + token[i + 1 :] for i in range(len(token))]
    assert parse_receipts(forged) == [None] * len(forged)


@pytest.mark.parametrize("text", ["", "x", "=" * 43, "A" * 43, "é" * 43, "A" * 44, "A" * 42])
def test_what_is_no_token_is_none(site: Site, text: str) -> None:
    assert parse_receipts([text])[0] is None


def test_a_site_cannot_sign_for_another(site: Site) -> None:
    other = new_site("Other")
    forged = Tokens(bytes(other.receipt_secret), site.pk)
    assert parse_receipts([forged.receipt(7, 8)])[0] is None


def test_a_changed_secret_ends_old_tokens_and_makes_new_ones_good(site: Site) -> None:
    assert parse_receipts([tokens_of(site).receipt(7, 8)])[0] is not None
    site.receipt_secret = b"another secret"
    site.save()
    new = tokens_of(site).receipt(7, 8)
    assert _parsed_after_the_doubt(new) == TokenSubject(site.pk, 7, 8)


def _parsed_after_the_doubt(token: str) -> TokenSubject | None:
    """As a process does that read the secret a while ago."""
    for kept in receipt_tokens._kept.values():
        kept.read_at -= 2
    return parse_receipts([token])[0]


def test_tokens_of_many_sites_cost_one_query(site: Site, django_assert_num_queries: object) -> None:
    sites = [new_site(f"Shop {n}") for n in range(3)]
    tokens = [tokens_of(one).receipt(7, 8) for one in sites] * 2
    with django_assert_num_queries(1):  # type: ignore[operator]
        assert all(parse_receipts(tokens))


def test_a_measured_device_stands_for_itself_and_another_hides_behind_the_messages_secret() -> None:
    assert device_ref(b"secret", 7, measured=True) == 7
    hidden = device_ref(b"secret", 7, measured=False)
    assert hidden < 0
    assert hidden == device_ref(b"secret", 7, measured=False)
    assert hidden not in (device_ref(b"secret", 8, measured=False), device_ref(b"other", 7, measured=False))


def test_without_the_messages_secret_nobody_can_be_hidden() -> None:
    with pytest.raises(ValueError, match="ref_secret"):
        device_ref(None, 7, measured=False)
