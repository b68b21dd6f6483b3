"""JSON Schemas of every payload on the bus, of configuration values and of what a model must answer."""

import json
from functools import cache

from pydantic import BaseModel

from libs.schemas.account import Account, AccountState, ControlRequested
from libs.schemas.analytics import (
    Alert,
    DecisionOutcome,
    DecisionResult,
    HealthStatus,
    StrategyPerformance,
    UsageMetrics,
)
from libs.schemas.audit import AuditEvent
from libs.schemas.context import DecisionRequest, TradingContext
from libs.schemas.dead import DeadLetter
from libs.schemas.decision import DecisionProposed, TradingDecision
from libs.schemas.market import Candle, FundingUpdate, MarketClock, MarketNote, MarketTick
from libs.schemas.models import ModelsConfig
from libs.schemas.notices import Notice, NoticeSettled
from libs.schemas.orders import OrderEvent, OrderPlan, PositionEvent
from libs.schemas.strategy import TradingStrategy
from libs.schemas.venue import VenueSymbol
from libs.schemas.verdict import DecisionAnswered, DecisionEvaluated, DecisionRejected, DecisionValidated

MODELS: tuple[type[BaseModel], ...] = (
    MarketTick,
    Candle,
    FundingUpdate,
    MarketNote,
    MarketClock,
    DecisionRequest,
    TradingContext,
    TradingDecision,
    DecisionProposed,
    DecisionValidated,
    DecisionRejected,
    DecisionAnswered,
    DecisionEvaluated,
    OrderPlan,
    OrderEvent,
    PositionEvent,
    Account,
    AccountState,
    ControlRequested,
    AuditEvent,
    TradingStrategy,
    VenueSymbol,
    ModelsConfig,
    DeadLetter,
    Alert,
    Notice,
    NoticeSettled,
    DecisionResult,
    DecisionOutcome,
    StrategyPerformance,
    UsageMetrics,
    HealthStatus,
)


def schema(model: type[BaseModel]) -> dict[str, object]:
    """JSON Schema (2020-12) of a model as it is written on the wire."""
    made = model.model_json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}


@cache
def documents() -> dict[str, str]:
    """File name → text of every schema."""
    return {
        f"{model.__name__}.json": json.dumps(schema(model), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
        for model in MODELS
    }
