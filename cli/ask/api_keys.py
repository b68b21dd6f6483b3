"""`perpetua key`: keys of the API, on the bus itself, so that a lost one can be answered while the gateway is away."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cli.connection import connected
from cli.errors import CliError, named
from libs.records.key_store import KeyStore
from libs.records.keys import TOKEN_BYTES, ApiKey, Scope, new_key, token_of
from libs.runtime.errors import Unavailable

HINT = "is it running? see `perpetua status`"


async def create(
    url: str, name: str, scopes: Sequence[str], accounts: Sequence[str], days: float | None
) -> tuple[ApiKey, str]:
    """A new key and its token, which is kept nowhere."""
    now, token = datetime.now(UTC), token_of(secrets.token_bytes(TOKEN_BYTES))
    ends = None if days is None else now + timedelta(days=days)
    wanted = [_scope(scope) for scope in scopes]
    only = [named(account) for account in accounts] or None
    key = new_key(token, name.strip()[:100] or "unnamed", wanted, now, accounts=only, expires_at=ends)
    async with connected(url) as bus:
        try:
            await KeyStore(bus).add(key)
        except Unavailable as error:
            raise CliError(str(error), HINT) from error
    return key, token


async def listed(url: str) -> list[ApiKey]:
    async with connected(url) as bus:
        try:
            return await KeyStore(bus).all()
        except Unavailable as error:
            raise CliError(str(error), HINT) from error


async def revoke(url: str, names: Sequence[str] | None) -> list[str]:
    """End these keys, or every one that still works; the ids of those that worked until now."""
    async with connected(url) as bus:
        store, now = KeyStore(bus), datetime.now(UTC)
        try:
            known = {key.key_id for key in await store.all()}
            if missing := [name for name in names or () if name not in known]:
                raise CliError(f"there is no key {missing[0][:40]}", "`perpetua key list` shows all")
            return [name for name in (sorted(known) if names is None else names) if await store.revoke(name, now)]
        except Unavailable as error:
            raise CliError(f"{error}; some keys may still work", "repeat it") from error


def line(key: ApiKey, now: datetime) -> str:
    """One key: id, whether it works, what it opens, its name."""
    why = key.refusal(now)
    accounts = "all accounts" if key.accounts is None else ",".join(sorted(key.accounts))
    used = f"used {key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never used"
    return f"{key.key_id}  {why or 'works':<8}  {' '.join(sorted(key.scopes))}  {accounts}  {used}  {key.name}"


def in_json(key: ApiKey, now: datetime) -> dict[str, object]:
    times = {
        name: at.isoformat() if (at := getattr(key, name)) else None
        for name in ("created_at", "expires_at", "revoked_at", "last_used_at")
    }
    accounts = None if key.accounts is None else sorted(key.accounts)
    shown = {"key_id": key.key_id, "name": key.name, "scopes": sorted(key.scopes), "accounts": accounts}
    return {**shown, **times, "works": key.refusal(now) is None}


def _scope(text: str) -> Scope:
    try:
        return Scope(text.strip())
    except ValueError as error:
        raise CliError(f"{text[:40]!r} is no scope", f"take of {', '.join(Scope)}") from error
