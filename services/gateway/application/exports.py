"""Exports: every entry that fits, page by page, as long as somebody reads."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from libs.records.keys import ApiKey
from services.gateway.application.access import past_account
from services.gateway.application.paging import aware
from services.gateway.domain.cursors import PagePosition
from services.gateway.domain.exports import PAGE, Exported, ExportFormat, head, rows
from services.gateway.domain.records import HistoryFilter, Window
from services.gateway.ports import Deps


@dataclass(frozen=True, slots=True)
class ExportCall:
    """What is exported, how, and of which account; None stands for all that the key sees."""

    what: Exported
    form: ExportFormat
    account_id: str | None
    wanted: HistoryFilter


async def export(deps: Deps, key: ApiKey, call: ExportCall) -> AsyncIterator[str]:
    """The text of the export in parts. The first part is there before this returns: what cannot be read is refused."""
    if call.account_id is not None:
        await past_account(deps, key, call.account_id)
    accounts = key.accounts if call.account_id is None else frozenset({call.account_id})
    since, until = aware("from", call.wanted.since), aware("to", call.wanted.until)
    wanted = replace(call.wanted, accounts=accounts, since=since, until=until)
    pages = _decisions(deps, call, wanted) if call.what == "decisions" else _trades(deps, call, wanted)
    first = head(call.what, call.form) + await anext(pages, "")
    return _joined(first, pages)


async def _joined(first: str, rest: AsyncIterator[str]) -> AsyncIterator[str]:
    yield first
    async for part in rest:
        yield part


async def _decisions(deps: Deps, call: ExportCall, wanted: HistoryFilter) -> AsyncIterator[str]:
    window: Window | None = Window(PAGE)
    while window is not None:
        found = await deps.records.history(wanted, window)
        yield rows(call.what, call.form, found.items)
        last = found.items[-1] if len(found.items) == PAGE else None
        after = PagePosition(last.created_at, last.decision_id) if last else found.goes_on
        window = Window(PAGE, after) if after else None


async def _trades(deps: Deps, call: ExportCall, wanted: HistoryFilter) -> AsyncIterator[str]:
    """Newest first, so that the first one before the period is the end."""
    window: Window | None = Window(PAGE)
    while window is not None:
        found = await deps.records.trades(call.account_id or "", window)
        fit = [
            trade
            for trade in found
            if (wanted.symbol is None or trade.symbol == wanted.symbol)
            and (wanted.since is None or trade.closed_at >= wanted.since)
            and (wanted.until is None or trade.closed_at < wanted.until)
        ]
        yield rows(call.what, call.form, fit)
        over = len(found) < PAGE or (wanted.since is not None and found[-1].closed_at < wanted.since)
        window = None if over else Window(PAGE, PagePosition(found[-1].closed_at, found[-1].trade_id))
