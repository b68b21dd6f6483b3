"""What each live venue does its own way. One adapter serves all; a new venue is a row here and a column of replies."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

Signing = Literal["timestamp", "nonce"]
Secrets = Literal["key_and_secret", "wallet_key", "key_secret_passphrase"]


@dataclass(frozen=True, slots=True)
class Differences:
    """One venue. Every trap that a row names has a test, and a line in docs/venues.md.

    `validity_ms`: how long after its signed time a request may still be taken. `window_ms`: the window that we ask for,
    None where the venue has a fixed one. `request_family`: whose reply codes it speaks.
    `streams`: caches of ccxt to wait on where its own method fails.
    """

    name: str
    wired: bool
    secrets: Secrets
    request_family: Literal["binance", "bybit", "okx", "hyperliquid"]
    requests_per_s: float
    validity_ms: int
    window_ms: int | None = None
    signing: Signing = "timestamp"
    options: Mapping[str, object] = field(default_factory=dict)
    order_params: Mapping[str, object] = field(default_factory=dict)
    algo_conditionals: bool = False
    sizes_in_contracts: bool = False
    tiers_unified: bool = True
    open_interest_unified: bool = True
    demo: bool = False
    withdraw_flag: bool = False
    countdown: str | None = None
    true: object = True
    streams: Mapping[str, str] = field(default_factory=dict)


# ccxt keeps a builder's fee switched on by default: it approves one at sign-in and pays it with every order.
_NO_BUILDER: Mapping[str, object] = {"builderFee": False, "approvedBuilderFee": False}

ASTER = Differences(
    name="aster",
    wired=True,
    secrets="wallet_key",
    request_family="binance",
    requests_per_s=3,
    # v3 requests carry a nonce in microseconds and no recvWindow; the venue takes it within about 5 s.
    validity_ms=5_000,
    signing="nonce",
    options={
        **_NO_BUILDER,
        "defaultType": "swap",  # ccxt's default is spot
        "fetchOpenOrders": {"warnIfNoSymbol": False},  # else the question for all symbols is an exception
        # ccxt renews after 60 minutes, which is when the key dies.
        "listenKeyRefreshRate": {"spot": 1_800_000, "swap": 1_800_000},
        "listenKeyRefresh": {"listenKeyRefreshRate": 1_800_000},
    },
    tiers_unified=False,
    open_interest_unified=False,
    true="true",  # ccxt writes a Python True as "True" here
    countdown="fapiPrivatePostV3CountdownCancelAll",
    # ccxt 4.5.90 looks for the market type in a variable that it never sets: both methods always raise.
    streams={"watch_orders": "orders", "watch_my_trades": "myTrades"},
)
BINANCEUSDM = Differences(
    name="binanceusdm",
    wired=True,
    secrets="key_and_secret",
    request_family="binance",
    requests_per_s=20,
    validity_ms=1_000,
    window_ms=1_000,
    options={
        "defaultType": "swap",
        "fetchCurrencies": False,  # asks the spot wallet, which a futures key may not see
        "warnOnFetchOpenOrdersWithoutSymbol": False,
        "listenKeyRefreshRate": 1_200_000,
    },
    algo_conditionals=True,
    demo=True,
    withdraw_flag=True,
    countdown="fapiPrivatePostCountdownCancelAll",
)
BYBIT = Differences(
    name="bybit",
    wired=False,
    secrets="key_and_secret",
    request_family="bybit",
    requests_per_s=10,
    validity_ms=1_000,
    window_ms=1_000,
    options={"defaultType": "swap"},
    demo=True,
    withdraw_flag=True,
)
OKX = Differences(
    name="okx",
    wired=False,
    secrets="key_secret_passphrase",
    request_family="okx",
    requests_per_s=15,
    validity_ms=30_000,
    options={"defaultType": "swap"},
    order_params={"tdMode": "isolated"},
    algo_conditionals=True,
    sizes_in_contracts=True,
    demo=True,
    withdraw_flag=True,
)
HYPERLIQUID = Differences(
    name="hyperliquid",
    wired=False,
    secrets="wallet_key",
    request_family="hyperliquid",
    requests_per_s=10,
    validity_ms=5_000,
    signing="nonce",
    options={**_NO_BUILDER, "defaultType": "swap"},
    tiers_unified=False,
)
VENUES: Mapping[str, Differences] = {v.name: v for v in (ASTER, BINANCEUSDM, BYBIT, OKX, HYPERLIQUID)}
LIVE: tuple[str, ...] = tuple(v.name for v in VENUES.values() if v.wired)


def signed_at(venue: Differences, ms: int, turn: int, window_ms: int | None = None) -> dict[str, object]:
    """The parameters that make a request valid from `ms` (milliseconds of the venue's clock) on, and not for long.

    `turn` tells requests of the same millisecond apart where the time is a nonce.
    """
    if venue.signing == "nonce":
        return {"nonce": str(ms * 1_000 + turn % 1_000)}
    window = window_ms or venue.window_ms
    return {"timestamp": ms} if window is None else {"timestamp": ms, "recvWindow": window}


def contracts(venue: Differences, quantity: Decimal, contract_size: Decimal) -> Decimal:
    """Base units as the venue counts them."""
    return quantity / contract_size if venue.sizes_in_contracts else quantity


def base_units(venue: Differences, amount: Decimal, contract_size: Decimal) -> Decimal:
    return amount * contract_size if venue.sizes_in_contracts else amount
