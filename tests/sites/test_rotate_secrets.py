import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import connection

from pushplatform.sites.management.commands import rotate_secrets
from pushplatform.sites.models import Site, VapidKey
from pushplatform.webpush.keys import KeyPair

pytestmark = pytest.mark.django_db


def test_every_secret_can_be_read_with_the_new_key_alone_afterwards(settings, capsys, monkeypatch):
    monkeypatch.setattr(rotate_secrets, "BATCH", 2)
    sites = [
        Site.objects.create(name=f"Shop {n}", origins=["https://shop.example"], vapid_subject="mailto:a@shop.example")
        for n in range(5)
    ]
    pair = KeyPair.generate()
    VapidKey.objects.create(site=sites[0], public_key=pair.public_key, private_key=pair.private_key)
    secrets = [(site.identity_secret, site.receipt_secret) for site in sites]

    settings.SECRET_KEYS = ("n" * 50, *settings.SECRET_KEYS)
    call_command("rotate_secrets")
    said = capsys.readouterr().out
    assert "sites.Site: 5 rows (identity_secret, receipt_secret)" in said
    assert "sites.VapidKey: 1 rows (private_key)" in said

    settings.SECRET_KEYS = settings.SECRET_KEYS[:1]
    found = Site.objects.order_by("id").values_list("identity_secret", "receipt_secret")
    assert [(bytes(one), bytes(other)) for one, other in found] == secrets
    assert VapidKey.objects.get().private_key == pair.private_key
    with connection.cursor() as cursor:
        cursor.execute("select public_key from vapid_key")
        assert bytes(cursor.fetchone()[0]) == pair.public_key


def test_without_rotation_the_old_key_is_still_needed(settings):
    Site.objects.create(name="Shop", origins=["https://shop.example"], vapid_subject="mailto:a@shop.example")
    settings.SECRET_KEYS = ("n" * 50,)
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEYS"):
        Site.objects.get()
