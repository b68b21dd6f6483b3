"""An admin key of a test's own bus."""

import secrets
from datetime import UTC, datetime

from cli.connection import connected
from libs.records.key_store import KeyStore, create_admin_key
from libs.records.keys import TOKEN_BYTES, token_of


async def admin_token(nats_url: str) -> str:
    """A token that opens everything, for gateways that start after this."""
    token = token_of(secrets.token_bytes(TOKEN_BYTES))
    async with connected(nats_url) as bus:
        await create_admin_key(KeyStore(bus), token, "test", datetime.now(UTC))
    return token
