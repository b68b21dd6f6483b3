"""The decisions of a period in figures."""

from datetime import timedelta

from libs.records.keys import ApiKey
from services.gateway.application.access import past_account
from services.gateway.domain.decision_figures import DecisionMetrics, metrics
from services.gateway.domain.figures import span
from services.gateway.ports import Deps


async def decision_metrics(deps: Deps, key: ApiKey, account_id: str | None, timeframe: str) -> DecisionMetrics:
    """Of one account, or of all that the key sees; shadow arms are not counted."""
    if account_id is not None:
        await past_account(deps, key, account_id)
    accounts = key.accounts if account_id is None else frozenset({account_id})
    since, now = span(timeframe, deps.clock.now())
    counted = await deps.analytics.counted(since, now + timedelta(microseconds=1), accounts)
    return metrics(counted, (since, now), account_id)
