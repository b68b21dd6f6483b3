"""From an account's venue and credential to an open venue."""

from collections.abc import Mapping

from libs.runtime.clock import Clock
from libs.schemas.account import MarginMode
from services.executor.adapters.ccxt.client import Client, open_exchange, redirect
from services.executor.adapters.ccxt.venue import CcxtVenue
from services.executor.adapters.credentials import load
from services.executor.domain.differences import LIVE, VENUES

VENUE_URL = "PERPETUA_VENUE_URL"


class NotLive(Exception):
    """The venue cannot be opened; the text says why, and what to do."""


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
        raise NotLive("live venues need ccxt; install the executor's dependency group") from None
    if url := env.get(VENUE_URL):
        redirect(exchange, url)
    venue = CcxtVenue(Client(row, exchange, errors, clock, secrets), margin_mode)
    try:
        await venue.open()
    except BaseException:
        await venue.close()
        raise
    return venue
