"""Decisions: ask for one, look at one, list them."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus

from libs.records.keys import ApiKey
from libs.runtime.metrics import observe
from libs.schemas.account import Account
from libs.schemas.analytics import DecisionResult
from services.gateway.application.access import past_account, seen_account, too_many
from services.gateway.application.claiming import first_use
from services.gateway.application.paging import aware, next_cursor, position
from services.gateway.application.strategy_access import usable_strategy
from services.gateway.application.waiting import ask, ask_and_wait
from services.gateway.domain.cursors import PagePosition, encode
from services.gateway.domain.problems import Away, Refusal, RequestRefused, away, invalid, not_found
from services.gateway.domain.records import DecisionRecord, HistoryEntry, HistoryFilter, Page, Window
from services.gateway.domain.requests import (
    DEFAULT_TIMEOUT_S,
    GenerateAccepted,
    GenerateRequest,
    Ids,
    idempotent_request_id,
    ids_of,
    life_of,
    random_request_id,
)
from services.gateway.metrics import GatewayMetrics
from services.gateway.ports import Deps

_DECISION = re.compile(r"dec-[0-9a-f]{32}")
LOOKS, LOOK_S = 10, 0.05


@dataclass(frozen=True, slots=True)
class GenerateCall:
    """How a client asks for a decision. `cause` is its trace; decisions are to be found below `place`."""

    key: ApiKey
    place: str
    idempotency_key: str | None = None
    cause: Mapping[str, str] | None = None
    wait_s: float | None = None
    at_once: bool = False


async def generate(
    deps: Deps, metrics: GatewayMetrics, wish: GenerateRequest, call: GenerateCall
) -> DecisionResult | GenerateAccepted:
    """Ask for a decision and wait for its end, unless the client wants an answer at once."""
    account = seen_account(deps, call.key, wish.account_id)
    if wish.strategy_override is not None:
        missing = invalid("body.strategy_override", f"there is no strategy {wish.strategy_override}")
        if deps.accounts.strategy(wish.strategy_override) is None:
            raise missing
        await usable_strategy(deps, call.key, wish.strategy_override, missing)
    await _within_rate(deps, account, wish)
    ids = await _ids(deps, wish, call)
    location = f"{call.place}/{ids.decision_id}"
    try:
        return await _asked(deps, metrics, wish, call, ids)
    except Away as error:
        raise RequestRefused(away(error, location if error.unsure else None)) from error


async def _asked(
    deps: Deps, metrics: GatewayMetrics, wish: GenerateRequest, call: GenerateCall, ids: Ids
) -> DecisionResult | GenerateAccepted:
    wait_s = call.wait_s or wish.timeout or DEFAULT_TIMEOUT_S
    location, cause, by = f"{call.place}/{ids.decision_id}", call.cause or {}, call.key.key_id
    if call.at_once:
        await ask(deps, wish, ids, by, life_of(wait_s, deps.clock.speed), cause)
        return GenerateAccepted(
            decision_id=ids.decision_id, request_id=ids.request_id, account_id=wish.account_id, location=location
        )
    began = deps.clock.monotonic()
    result = await ask_and_wait(deps, wish, ids, by, wait_s, cause)
    observe(metrics.generate.labels(result.status if result else "none"), deps.clock.monotonic() - began)
    if result is None:
        raise _no_answer(wait_s, location)
    return result


async def history(
    deps: Deps, key: ApiKey, account_id: str | None, wanted: HistoryFilter, limit: int, cursor: str | None
) -> Page[HistoryEntry]:
    """Newest first; which accounts, the key says where `account_id` does not."""
    if account_id is not None:
        await past_account(deps, key, account_id)
    accounts = key.accounts if account_id is None else frozenset({account_id})
    since, until = aware("from", wanted.since), aware("to", wanted.until)
    window = Window(limit, position(cursor))
    found = await deps.records.history(replace(wanted, accounts=accounts, since=since, until=until), window)
    places = [PagePosition(entry.created_at, entry.decision_id) for entry in found.items]
    return Page(items=found.items, next=encode(found.goes_on) if found.goes_on else next_cursor(places, limit))


async def record_of(deps: Deps, key: ApiKey, decision_id: str) -> DecisionRecord:
    """The whole record. A request that another decision answered shows that one."""
    record = await _record(deps, decision_id)
    if record is None or not key.sees(record.account_id):
        raise not_found(f"decision {decision_id[:100]}")
    return record


async def _record(deps: Deps, decision_id: str) -> DecisionRecord | None:
    """The history follows the log: what a client was just told of may come into it a moment later."""
    looks = LOOKS if _DECISION.fullmatch(decision_id) else 0
    while (record := await deps.records.decision(decision_id)) is None and looks:
        looks -= 1
        await asyncio.sleep(LOOK_S)
    return record


async def _within_rate(deps: Deps, account: Account, wish: GenerateRequest) -> None:
    """Of each account and symbol only so many decisions a minute are asked for."""
    symbols = wish.symbols or account.symbols
    names = [f"generate:{account.account_id}:{symbol}" for symbol in symbols]
    for symbol, allowance in zip(symbols, await deps.limits.take_each(names, deps.rates.of_symbol), strict=True):
        if not allowance.granted:
            raise too_many(f"decisions of {account.account_id} on {symbol}", allowance.reset_s)


async def _ids(deps: Deps, wish: GenerateRequest, call: GenerateCall) -> Ids:
    key_id = call.key.key_id
    if call.idempotency_key is not None:
        claim = await first_use(deps, call.key, call.idempotency_key, wish.fingerprint)
        return ids_of(wish.account_id, idempotent_request_id(key_id, call.idempotency_key, claim.first_seen))
    return ids_of(wish.account_id, random_request_id(deps.new_id()), fresh=True)


def _no_answer(waited_s: float, location: str) -> RequestRefused:
    detail = f"no decision within {waited_s:g} s; it is not lost: look at Location later"
    headers = {"Location": location, "Retry-After": "5"}
    return RequestRefused(Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "no-answer-in-time", detail, headers=headers))
