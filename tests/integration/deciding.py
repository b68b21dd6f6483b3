"""A decider whose LiteLLM talks over HTTP to a scripted server."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from pydantic import SecretStr

from libs.runtime.clock import WallClock
from libs.schemas.decision import DecisionProposed
from services.decider.app import models_of
from services.decider.domain.policy import CallLimits
from services.decider.ports import Deps
from services.decider.settings import Settings
from tests.fakes.decider_contexts import NOW
from tests.fakes.decider_ports import StoppedClock, deps
from tests.fakes.model_server import ModelServer

KEY = "sk-or-v1-0123456789abcdef0123456789abcdef"
GPT = "openrouter/openai/gpt-5"
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT", "XRPUSDT")


class MarketNow(WallClock):
    """Real time, but market time stands where the contexts were built."""

    def now(self) -> Any:
        return NOW


def decision(confidence: float = 60, symbols: tuple[str, ...] = SYMBOLS) -> str:
    row = {"action": "hold", "exit_plan": "none", "rationale": "flat", "confidence": confidence, "risk_level": "low"}
    return json.dumps(
        {
            "decisions": [{"asset": symbol, **row} for symbol in symbols],
            "portfolio_rationale": "nothing to do",
            "total_allocation_usd": 0,
            "portfolio_risk_level": "low",
        }
    )


@asynccontextmanager
async def asking(
    server: ModelServer, *, key: str | None = KEY, limits: CallLimits | None = None
) -> AsyncIterator[Deps]:
    """Dependencies with LiteLLM for real; both providers lead to the scripted server."""
    settings = Settings(
        openrouter_api_base=server.url,
        openrouter_api_key=SecretStr(key) if key else None,
        llm_base_url=server.url,
        llm_api_key=None,
    )
    models = models_of(settings)
    await models.start()
    clock = MarketNow()
    try:
        made = deps(models, StoppedClock(), default_model=GPT, limits=limits or CallLimits(backoff_s=0.01))
        yield replace(made, clock=clock, sleep=asyncio.sleep)
    finally:
        await models.stop()


def outcomes(proposal: DecisionProposed) -> list[str]:
    return [call.outcome for call in proposal.calls]
