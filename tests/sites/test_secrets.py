import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from pushplatform.sites.models import Site
from pushplatform.sites.secrets import decrypt, encrypt

pytestmark = pytest.mark.django_db


def make_site() -> Site:
    return Site.objects.create(name="Shop", origins=["https://shop.example"], vapid_subject="mailto:push@shop.example")


def test_a_secret_is_unreadable_in_the_database_and_plain_in_python():
    site = make_site()
    with connection.cursor() as cursor:
        cursor.execute("select identity_secret from site where id = %s", [site.id])
        stored = bytes(cursor.fetchone()[0])
    assert site.identity_secret not in stored
    assert Site.objects.get(id=site.id).identity_secret == site.identity_secret


def test_each_secret_is_its_own():
    site = make_site()
    assert site.identity_secret != site.receipt_secret


def test_a_new_first_key_encrypts_and_old_ones_still_decrypt(settings):
    old = encrypt(b"told you")
    settings.SECRET_KEYS = ("n" * 50, *settings.SECRET_KEYS)
    assert decrypt(old) == b"told you"
    new = encrypt(b"told you")
    settings.SECRET_KEYS = settings.SECRET_KEYS[1:]
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEYS"):
        decrypt(new)
