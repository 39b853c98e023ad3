"""Who may push: the sender's VAPID token against the key a subscription was made with (RFC 8292 §4.2)."""

from __future__ import annotations

from pushplatform.webpush.vapid import VapidClaims, VapidRefused, verify

_REMEMBERED = 4096

# The wording of Chrome's push service: senders look for "do not correspond" to know that a key was changed.
_OTHER_KEY = (
    "the VAPID credentials in the authorization header do not correspond to the credentials used to create"
    " the subscriptions"
)


class Doorkeeper:
    """Checks Authorization headers; a signature is verified once per distinct token (RFC 8292 §5 allows it)."""

    def __init__(self, origins: tuple[str, ...]) -> None:
        """`origins` are the names this service goes by; a token's `aud` must be one of them."""
        self._origins = origins
        self._verified: dict[str, VapidClaims] = {}

    def check(self, authorization: str | None, key: bytes | None, now: int) -> VapidClaims | None:
        """The claims of a token that may push to a subscription made with `key`; raises VapidRefused.

        `key` None is a subscription open to anybody: no token is needed, one that is given must be valid.
        """
        if authorization is None and key is None:
            return None
        claims = self._verified.get(authorization or "")
        if claims is None:
            claims = self._verify(authorization, now)
            if len(self._verified) >= _REMEMBERED:
                self._verified.clear()
            self._verified[authorization or ""] = claims
        elif now > claims.expires:
            raise VapidRefused("expired", "the token has expired")
        if key is not None and claims.public_key != key:
            raise VapidRefused("key_mismatch", _OTHER_KEY)
        return claims

    def _verify(self, authorization: str | None, now: int) -> VapidClaims:
        for origin in self._origins[:-1]:
            try:
                return verify(authorization, origin=origin, now=now)
            except VapidRefused as refusal:
                if refusal.code != "audience":
                    raise
        try:
            return verify(authorization, origin=self._origins[-1], now=now)
        except VapidRefused as refusal:
            if refusal.code != "audience":
                raise
            raise VapidRefused("audience", f"the aud claim in the token MUST be {self._origins[0]}") from refusal
