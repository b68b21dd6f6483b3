"""Routes of exports: streamed, so that they may be longer than any page."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse

from libs.records.keys import ApiKey, Scope
from libs.schemas.base import Name, StrategyId, Symbol
from libs.schemas.decision import Action
from services.gateway.application.exports import ExportCall, export
from services.gateway.domain.configuring import AccountRef
from services.gateway.domain.exports import MEDIA_TYPES, Exported, ExportFormat
from services.gateway.domain.records import HistoryFilter, RecordStatus
from services.gateway.handlers.auth import key_with
from services.gateway.handlers.errors import PROBLEMS
from services.gateway.handlers.parameters import Time
from services.gateway.ports import Deps

STREAMED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "every entry in a line; one that breaks off before its end was not whole",
        "content": {kind.partition(";")[0]: {"schema": {"type": "string"}} for kind in MEDIA_TYPES.values()},
    }
}


def routes(deps: Deps, base: str) -> APIRouter:
    router = APIRouter(prefix=f"{base}/export", tags=["export"], responses=PROBLEMS)
    may_read = Depends(key_with(Scope.READ))

    @router.get("/decisions", responses=STREAMED, response_class=StreamingResponse)
    async def decisions(
        key: Annotated[ApiKey, may_read],
        form: Annotated[ExportFormat, Query(alias="format")] = "jsonl",
        account_id: Annotated[AccountRef | None, Query()] = None,
        symbol: Annotated[Symbol | None, Query()] = None,
        status: Annotated[RecordStatus | None, Query()] = None,
        action: Annotated[Action | None, Query()] = None,
        strategy_id: Annotated[StrategyId | None, Query()] = None,
        model: Annotated[Name | None, Query()] = None,
        since: Annotated[Time | None, Query(alias="from", description="market time, included")] = None,
        until: Annotated[Time | None, Query(alias="to", description="market time, not included")] = None,
    ) -> StreamingResponse:
        """Decisions as the history shows them, newest first."""
        wanted = HistoryFilter(None, symbol, since, until, status, action, strategy_id, model)
        return await _streamed(deps, key, ExportCall("decisions", form, account_id, wanted))

    @router.get("/trades", responses=STREAMED, response_class=StreamingResponse)
    async def trades(
        key: Annotated[ApiKey, may_read],
        account_id: Annotated[AccountRef, Query()],
        form: Annotated[ExportFormat, Query(alias="format")] = "jsonl",
        symbol: Annotated[Symbol | None, Query()] = None,
        since: Annotated[Time | None, Query(alias="from", description="market time of the end, included")] = None,
        until: Annotated[Time | None, Query(alias="to", description="market time of the end, not included")] = None,
    ) -> StreamingResponse:
        """Closed positions of an account, newest end first."""
        wanted = HistoryFilter(None, symbol, since, until)
        return await _streamed(deps, key, ExportCall("trades", form, account_id, wanted))

    return router


async def _streamed(deps: Deps, key: ApiKey, call: ExportCall) -> StreamingResponse:
    what: Exported = call.what
    name = f'attachment; filename="{what}.{call.form}"'
    parts = await export(deps, key, call)
    return StreamingResponse(parts, media_type=MEDIA_TYPES[call.form], headers={"Content-Disposition": name})
