"""Signatures of webhooks as Standard Webhooks defines them (https://www.standardwebhooks.com)."""

import base64
import binascii
import hashlib
import hmac
from datetime import datetime

from services.notifier.domain.routes import RoutesError

PREFIX = "whsec_"
LEAST_BYTES, MOST_BYTES = 24, 64


def secret_of(text: str) -> bytes:
    """The bytes of a signing key, `whsec_` and base64. Raises RoutesError, without the key."""
    try:
        secret = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if not text.startswith(PREFIX) or not LEAST_BYTES <= len(secret) <= MOST_BYTES:
        raise RoutesError(
            f"key is no signing key: write {PREFIX} and {LEAST_BYTES} to {MOST_BYTES} random bytes in base64"
        )
    return secret


def headers(event_id: str, body: bytes, secret: bytes | None, wall: datetime) -> dict[str, str]:
    """`webhook-id` stays the same however often the event is sent; time and signature are those of this attempt."""
    sent = str(int(wall.timestamp()))
    made = {"webhook-id": event_id, "webhook-timestamp": sent, "content-type": "application/json"}
    if secret is not None:
        signed = hmac.digest(secret, b".".join((event_id.encode(), sent.encode(), body)), hashlib.sha256)
        made["webhook-signature"] = f"v1,{base64.b64encode(signed).decode()}"
    return made
