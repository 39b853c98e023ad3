"""Every error code that is part of the HTTP contract, with its meaning: read by answers and by `/problems/{code}`.

To add one: a line here, with the status it is answered with, a title that is the same each time, and what to do.
"""

from typing import Final, NamedTuple


class ProblemCode(NamedTuple):
    status: int
    title: str
    what_to_do: str


PROBLEMS: Final[dict[str, ProblemCode]] = {
    # --- the request as a whole
    "malformed_json": ProblemCode(
        400, "The body is not JSON", "Send one JSON value in UTF-8, without NaN, Infinity or repeated names."
    ),
    "bad_request": ProblemCode(400, "The request cannot be read", "See `detail`."),
    "invalid_request": ProblemCode(422, "Some fields are wrong", "`errors` names each with a JSON pointer."),
    "not_found": ProblemCode(404, "Nothing is here", "Check the address and the id; ids of other Sites are not found."),
    "method_not_allowed": ProblemCode(405, "This address does not take this method", "The header Allow names them."),
    "not_acceptable": ProblemCode(406, "No such representation", "Accept application/json."),
    "body_too_large": ProblemCode(413, "The body is too large", "Send at most 1,048,576 octets; split the rest."),
    "unsupported_media_type": ProblemCode(
        415, "The body's type is not taken", "Send `Content-Type: application/json`, not compressed."
    ),
    "rate_limited": ProblemCode(429, "Too many requests", "Wait as long as the header Retry-After says."),
    "internal_error": ProblemCode(
        500, "Something is wrong on our side", "Try again; tell the operator the request_id if it stays."
    ),
    "unavailable": ProblemCode(503, "Out of service for the moment", "Try again after the header Retry-After."),
    # --- who asks
    "not_authenticated": ProblemCode(401, "An API key is needed", "Send `Authorization: Bearer <api key>`."),
    "invalid_api_key": ProblemCode(401, "The API key is not known", "Copy the whole key; it is shown once, when made."),
    "api_key_revoked": ProblemCode(401, "The API key was revoked", "Use another key of this client, or make one."),
    "api_key_expired": ProblemCode(401, "The API key has expired", "Make a new key in the admin."),
    "address_not_allowed": ProblemCode(
        403, "The API key may not be used from this address", "Call from an address the key allows, or change the key."
    ),
    "missing_scope": ProblemCode(
        403, "The API key lacks a scope", "Give its client the scope that `detail` names, in the admin."
    ),
    "forbidden": ProblemCode(403, "This is not allowed", "See `detail`."),
    # --- browsers
    "origin_not_allowed": ProblemCode(
        403, "The page's origin is not one of the Site's", "Add the origin to the Site in the admin."
    ),
    "wrong_device_secret": ProblemCode(
        403, "The secret is not this device's", "Send the device_secret that came with the device_id."
    ),
    "no_current_key": ProblemCode(503, "The Site has no VAPID key to subscribe with", "Make one in the admin."),
    "unknown_key": ProblemCode(
        422, "The subscription was made with a foreign key", "Subscribe with vapid_public_key of the config."
    ),
    "key_retired": ProblemCode(
        422, "The subscription was made with a retired key", "Unsubscribe, then subscribe with the config's key."
    ),
    "unknown_wording": ProblemCode(422, "There is no such wording of this purpose", "Take it from the config."),
    "wrong_signature": ProblemCode(
        422, "The identity's signature is wrong", "Sign v1.<site>.<external_id>.<issued_at> with the identity secret."
    ),
    "identity_expired": ProblemCode(422, "The identity is over an hour old", "Sign anew for each page."),
    "identity_in_future": ProblemCode(422, "The identity is from the future", "Set the signing server's clock right."),
    "identity_before_logout": ProblemCode(
        422, "The identity is older than the last logout", "Sign anew when the person has signed in again."
    ),
    "not_identified": ProblemCode(422, "Nobody is signed in on this browser", "Identify first, or decide only here."),
    "personal_data_needed": ProblemCode(
        409, "This browser's person has not agreed to be linked", "Ask for consent to personal_data first."
    ),
    "personal_data_withdrawn": ProblemCode(
        409, "The person has withdrawn personal_data at the CRM", "Link only after the CRM records a newer grant."
    ),
    # --- contacts, consents, events
    "contact_erased": ProblemCode(
        409, "The person was erased", 'They come back only on purpose: send the contact with `"recreate": true`.'
    ),
    "contact_merged": ProblemCode(
        404,
        "The contact was merged into another",
        "The header Location leads to who the person is now. To use the id for somebody else, send the contact with"
        ' `"recreate": true` (such a write without it is answered with 409).',
    ),
    "merge_with_itself": ProblemCode(422, "A contact cannot be merged into itself", "Name another contact in `into`."),
    "unknown_contact": ProblemCode(422, "The Site has no such contact", "Make it first: PUT /contacts/{external_id}."),
    "consent_proof_missing": ProblemCode(
        422,
        "A grant lacks its proof",
        "Say to which wording the person agreed, where that happened (source) and when (occurred_at).",
    ),
    "invalid_external_id": ProblemCode(
        422, "A CRM id cannot be kept", "1 to 255 characters in Unicode's form NFC, without control characters."
    ),
    "invalid_key": ProblemCode(
        422, "A name or key cannot be used", "See `detail`; names of attributes are 1 to 64 of a-z, A-Z, 0-9 and _."
    ),
    "unknown_attribute": ProblemCode(
        422, "The Site's catalogue has no such attribute and is locked", "Mend its name, or add it in the admin."
    ),
    "too_many_attributes": ProblemCode(422, "The Site has too many attributes", "Use fewer different names."),
    "invalid_tag": ProblemCode(422, "A tag cannot be kept", "1 to 64 characters without control characters."),
    "tag_not_allowed": ProblemCode(
        422, "The Site does not let pages set this tag", "Pages may set the tags that the Site lists; see the admin."
    ),
    "too_many_tags": ProblemCode(422, "There are too many tags", "At most 100."),
    "invalid_language": ProblemCode(422, "The language is none", "Write it like en or pt-BR (RFC 5646)."),
    "unknown_time_zone": ProblemCode(422, "The time zone is not known", "Write it like Europe/Warsaw."),
    "invalid_wording": ProblemCode(422, "The wording cannot be kept", "1 to 2,000 characters."),
    "too_many_wordings": ProblemCode(
        422, "Too many different wordings were recorded", "Send the id of a wording instead of its text."
    ),
    "too_many_items": ProblemCode(422, "Too many items", "Send at most 1,000 in one request."),
    # --- lists
    "invalid_cursor": ProblemCode(422, "The cursor is not one of this list", "Send a next_cursor as it was given."),
    "duplicate_parameter": ProblemCode(422, "A parameter stands twice in the address", "Send it once."),
    # --- idempotency
    "idempotency_key_required": ProblemCode(
        400, "An Idempotency-Key is needed", "Send a header Idempotency-Key, one for each act, such as a UUID."
    ),
    "invalid_idempotency_key": ProblemCode(
        400, "The Idempotency-Key cannot be used", "Use 1 to 255 printable ASCII characters."
    ),
    "idempotency_key_reused": ProblemCode(
        422, "The Idempotency-Key belongs to another request", "Use a new key for a new act; the same body for a retry."
    ),
    "idempotency_in_progress": ProblemCode(
        409, "The first request with this Idempotency-Key is still running", "Send it again in a second."
    ),
    # --- fields
    "required": ProblemCode(422, "A field is missing", "Add it."),
    "unknown_field": ProblemCode(422, "A field is not known", "Take it away, or mend its name."),
    "invalid_type": ProblemCode(422, "A field has the wrong type", "See `detail`."),
    "invalid_value": ProblemCode(422, "A field has a value that is not allowed", "See `detail`."),
    "out_of_range": ProblemCode(422, "A number or time is outside its range", "See `detail`."),
    "invalid_text": ProblemCode(
        422, "A text has characters that cannot be stored", "Leave out null characters and lone surrogates."
    ),
    "too_deep": ProblemCode(422, "The body is nested too deeply", "Nest at most 32 levels."),
    "payload_too_large": ProblemCode(
        422, "The content is longer than one push can carry", "Shorten the texts: 3,993 octets hold all of it."
    ),
    "too_many_recipients": ProblemCode(422, "Too many recipients", "Send at most 1,000 in one request."),
    "unknown_purpose": ProblemCode(
        422, "The Site has no such purpose to send for", "Use the key of a purpose of this Site; see the admin."
    ),
    "other_purpose": ProblemCode(422, "The campaign has another purpose", "Leave purpose out, or give the campaign's."),
    "unknown_segment": ProblemCode(422, "The Site has no such segment", "Use the id of a segment that is in use."),
    "broken_segment": ProblemCode(422, "A segment cannot be worked out", "Mend its rules in the admin."),
    "unknown_campaign": ProblemCode(422, "The Site has no such campaign", "Use the id of one of its campaigns."),
    "campaign_not_ready": ProblemCode(
        422, "The campaign's texts cannot be sent", "Mend them in the admin; a cancelled campaign's are not sent."
    ),
    "not_supported": ProblemCode(422, "This is not offered here yet", "`GET /api/v1/` lists the features."),
    "superseded": ProblemCode(
        409, "A newer request of the same token ended this one", "Nothing: the newer one's answer counts."
    ),
    "segment_in_use": ProblemCode(409, "A campaign or another segment uses the segment", "Archive it, or take it out."),
    "not_cancellable": ProblemCode(409, "The message has come to its end", "Nothing is left to be cancelled."),
}
