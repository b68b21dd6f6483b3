"""From an account's venue and credential to an open venue."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

from libs.runtime.clock import Clock
from libs.schemas.account import Account, MarginMode
from services.executor.adapters.ccxt.client import Client, open_exchange, redirect
from services.executor.adapters.ccxt.venue import CcxtVenue
from services.executor.adapters.credentials import NoCredential, load
from services.executor.domain.differences import LIVE, VENUES
from services.executor.ports.venues import LiveVenue, NotLive

VENUE_URL = "PERPETUA_VENUE_URL"


async def open_venue(
    name: str,
    credential: str,
    env: Mapping[str, str],
    clock: Clock,
    *,
    margin_mode: MarginMode = "isolated",
    demo: bool = False,
) -> CcxtVenue:
    """Raises NotLive, NoCredential, Unavailable. The caller closes it. PERPETUA_VENUE_URL sends all to a proxy."""
    if name not in LIVE:
        raise NotLive(f"{name} is not a venue for live trading; take one of {', '.join(LIVE)}")
    row = VENUES[name]
    if demo and not row.demo:
        raise NotLive(f"{name} has no demo trading; try the account on the paper venue")
    secrets = load(credential, row.secrets, env)
    try:
        exchange, errors = open_exchange(row, secrets, demo=demo)
    except ModuleNotFoundError:
        raise NotLive("live venues need ccxt: `make setup` installs it (or requirements/live.txt)") from None
    if url := env.get(VENUE_URL):
        redirect(exchange, url)
    venue = CcxtVenue(Client(row, exchange, errors, clock, secrets), margin_mode)
    async with AsyncExitStack() as undo:
        undo.push_async_callback(venue.close)
        await venue.open()
        undo.pop_all()
    return venue


@dataclass(frozen=True, slots=True)
class CcxtVenues:
    """Live venues of this process: its environment has the credentials. `adopts` are accounts of `--adopt`."""

    env: Mapping[str, str]
    clock: Clock
    allowed: bool = False
    adopts: frozenset[str] = frozenset()

    def has_credential(self, account: Account) -> bool:
        """Whether all secrets that the account's venue wants are here."""
        if account.credential is None or account.venue not in VENUES:
            return False
        try:
            load(account.credential, VENUES[account.venue].secrets, self.env)
        except NoCredential:
            return False
        return True

    async def open(self, account: Account) -> LiveVenue:
        """Raises NotLive, Unavailable."""
        try:
            return await open_venue(
                account.venue, account.credential or "", self.env, self.clock, margin_mode=account.margin_mode
            )
        except NoCredential as error:
            raise NotLive(str(error)) from None
