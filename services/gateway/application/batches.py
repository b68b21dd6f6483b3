"""Several decisions asked for at once."""

import asyncio
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from libs.runtime.errors import Unavailable
from services.gateway.application.decisions import GenerateCall, generate
from services.gateway.domain.batches import BatchAnswer, BatchItem, wish_of
from services.gateway.domain.problems import Away, RequestRefused, away
from services.gateway.domain.requests import GenerateAccepted
from services.gateway.metrics import GatewayMetrics
from services.gateway.ports import Deps


async def batch(
    deps: Deps, metrics: GatewayMetrics, wishes: list[dict[str, Any]], call: GenerateCall, request_id: str
) -> BatchAnswer:
    """Each on its own, all at once. An Idempotency-Key holds for each by its place."""
    asked = (_item(deps, metrics, fields, _nth(call, n), request_id) for n, fields in enumerate(wishes))
    return BatchAnswer(items=list(await asyncio.gather(*asked)))


def _nth(call: GenerateCall, place: int) -> GenerateCall:
    if call.idempotency_key is None:
        return call
    return replace(call, idempotency_key=f"{call.idempotency_key}\x1f{place}")


async def _item(
    deps: Deps, metrics: GatewayMetrics, fields: dict[str, Any], call: GenerateCall, request_id: str
) -> BatchItem:
    try:
        answer = await generate(deps, metrics, wish_of(fields), call)
    except RequestRefused as error:
        refusal = error.refusal
    except (Away, Unavailable) as error:
        refusal = away(error if isinstance(error, Away) else Away("NATS", unsure=error.unsure))
    else:
        if isinstance(answer, GenerateAccepted):
            return BatchItem(status=HTTPStatus.ACCEPTED, accepted=answer)
        return BatchItem(status=HTTPStatus.OK, result=answer)
    return BatchItem(status=refusal.status, problem=refusal.problem(f"{call.place}/batch", request_id))
