"""Bodies of the routes of API keys. A token is in the one answer that makes it, and nowhere else."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from libs.records.keys import ApiKey, Scope
from libs.schemas.base import Utc
from services.gateway.domain.configuring import AccountRef, Body

KeyName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]


class KeyBody(Body):
    """A key to make: for `accounts`, or for all where none are named; until `expires_at` in wall time, or for ever."""

    name: KeyName
    scopes: Annotated[frozenset[Scope], Field(min_length=1)]
    accounts: Annotated[frozenset[AccountRef], Field(min_length=1, max_length=500)] | None = None
    expires_at: Utc | None = None


class KeyShown(BaseModel):
    """What a key opens. Times are wall time; `accounts` null are all."""

    key_id: str
    name: str
    scopes: list[Scope]
    accounts: list[str] | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class KeyMade(KeyShown):
    """`token` is shown this once; a repetition by its Idempotency-Key has none."""

    token: str | None


class SignInTicket(BaseModel):
    """Signs in to the page, once, within its seconds, with the rights of the key that it was asked for with."""

    ticket: str
    expires_in: int = Field(description="seconds")


class KeyList(BaseModel):
    items: list[KeyShown]


def shown(key: ApiKey) -> KeyShown:
    return KeyShown(
        key_id=key.key_id,
        name=key.name,
        scopes=sorted(key.scopes),
        accounts=None if key.accounts is None else sorted(key.accounts),
        created_at=key.created_at,
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
        last_used_at=key.last_used_at,
    )
