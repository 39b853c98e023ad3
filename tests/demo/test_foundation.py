import json

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import check_password

from pushplatform.demo.foundation import lay
from pushplatform.sites import public_ids
from pushplatform.sites.models import Site

pytestmark = pytest.mark.django_db

SHOP = "http://localhost:8001"
PASSWORDS = {"admin": "first password", "marketer": "second password"}


def test_a_second_start_finds_the_site_again_and_lets_the_shop_move(tmp_path):
    first = lay(tmp_path / "kept.json", SHOP, PASSWORDS)
    again = lay(tmp_path / "kept.json", "http://localhost:8011", PASSWORDS | {"marketer": "changed"})
    assert again == first
    assert Site.objects.get().origins == ["http://localhost:8011", SHOP]
    assert check_password("changed", get_user_model().objects.get(username="marketer").password)


def test_what_was_kept_of_another_database_is_laid_anew(tmp_path):
    kept = tmp_path / "kept.json"
    first = lay(kept, SHOP, PASSWORDS)
    nowhere = public_ids.encode("site", 999_999)
    for site_id in ("site_" + "a" * 26, nowhere):
        kept.write_text(json.dumps(json.loads(kept.read_text()) | {"site_id": site_id}))
        laid = lay(kept, SHOP, PASSWORDS)
        assert laid.site_id not in (first.site_id, site_id)
        assert Site.objects.filter(pk=public_ids.decode("site", laid.site_id)).exists()


def test_what_is_kept_only_its_owner_may_read(tmp_path):
    lay(tmp_path / "kept.json", SHOP, PASSWORDS)
    assert (tmp_path / "kept.json").stat().st_mode & 0o777 == 0o600
