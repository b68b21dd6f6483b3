"""API keys: what a key may do, and for which accounts. A token is shown once; only its hash is stored."""

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

TOKEN_PREFIX = "perp_"  # noqa: S105 - not a secret: it lets scanners and log filters recognise tokens
TOKEN_BYTES = 32
MARK_USED_EVERY = timedelta(minutes=1)


class Scope(StrEnum):
    """`trade` changes controls, strategies and accounts; `publish` brings market data; `admin` does all."""

    READ = "read"
    DECIDE = "decide"
    TRADE = "trade"
    PUBLISH = "publish"
    ADMIN = "admin"


class KeyRefusal(StrEnum):
    """Why a token is not accepted."""

    MISSING = "missing"
    UNKNOWN = "unknown"
    REVOKED = "revoked"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as stored. `accounts` None means all accounts. Times are wall time.

    `parent` is the hash of the key that signed in by it: it works no longer than that one does.
    """

    key_id: str
    hash: str
    name: str
    scopes: frozenset[Scope]
    accounts: frozenset[str] | None
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    parent: str | None = None

    @property
    def signature(self) -> str:
        """How its changes are signed: by name and id, for names may be given twice."""
        return f"{self.name[:60]} ({self.key_id})"

    def allows(self, scope: Scope) -> bool:
        return scope in self.scopes or Scope.ADMIN in self.scopes

    def covers(self, accounts: frozenset[str] | None) -> bool:
        """Whether a key for these accounts opens nothing that this one does not."""
        return self.accounts is None or (accounts is not None and accounts <= self.accounts)

    def sees(self, account_id: str) -> bool:
        return self.accounts is None or account_id in self.accounts

    def refusal(self, now: datetime) -> KeyRefusal | None:
        """Why the key is not accepted at wall time `now`; None when it is."""
        if self.revoked_at is not None:
            return KeyRefusal.REVOKED
        if self.expires_at is not None and now >= self.expires_at:
            return KeyRefusal.EXPIRED
        return None

    def should_mark_used(self, now: datetime) -> bool:
        """Whether the time of the last use is old enough to be written again."""
        return self.last_used_at is None or now - self.last_used_at >= MARK_USED_EVERY


def token_of(random: bytes) -> str:
    """The token made of 32 random bytes. Raises ValueError for another number of bytes."""
    if len(random) != TOKEN_BYTES:
        raise ValueError(f"a token is made of {TOKEN_BYTES} random bytes, not {len(random)}")
    return TOKEN_PREFIX + base64.urlsafe_b64encode(random).rstrip(b"=").decode()


def token_hash(token: str) -> str:
    """SHA-256 in hex. A token holds 256 random bits, so that a slow hash would protect nothing more."""
    return hashlib.sha256(token.encode()).hexdigest()


def key_id_of(token: str) -> str:
    """The public id of the key that a token opens; it tells nothing of the token."""
    return f"key-{token_hash(token_hash(token))[:16]}"


def new_key(
    token: str,
    name: str,
    scopes: Iterable[Scope],
    now: datetime,
    *,
    accounts: Iterable[str] | None = None,
    expires_at: datetime | None = None,
) -> ApiKey:
    """The key that `token` opens."""
    return ApiKey(
        key_id=key_id_of(token),
        hash=token_hash(token),
        name=name,
        scopes=frozenset(scopes),
        accounts=None if accounts is None else frozenset(accounts),
        created_at=now,
        expires_at=expires_at,
    )
