"""The VAPID keys of a Site: a new one takes over, the old one keeps signing for the devices subscribed with it."""

from django.db import transaction

from pushplatform.sites.models import Site, VapidKey
from pushplatform.webpush.keys import KeyPair


class KeyInUse(Exception):
    """A key that new subscriptions are made with cannot be retired."""


@transaction.atomic
def generate(site: Site) -> VapidKey:
    """A new current key of the Site; the one before it becomes `draining`."""
    Site.objects.select_for_update().get(pk=site.pk)  # two at once: one after the other
    VapidKey.objects.filter(site=site, state=VapidKey.State.CURRENT).update(state=VapidKey.State.DRAINING)
    pair = KeyPair.generate()
    return VapidKey.objects.create(
        site=site, public_key=pair.public_key, private_key=pair.private_key, state=VapidKey.State.CURRENT
    )


def retire(key_id: int) -> bool:
    """Stop signing with a draining key: its devices cannot be reached any more. False when it was retired already.

    Raises KeyInUse for the current key.
    """
    if VapidKey.objects.filter(pk=key_id, state=VapidKey.State.CURRENT).exists():
        raise KeyInUse("The current key cannot be retired. Generate a new one first.")
    return bool(VapidKey.objects.filter(pk=key_id, state=VapidKey.State.DRAINING).update(state=VapidKey.State.RETIRED))
