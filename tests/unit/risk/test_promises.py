"""Every field of a strategy and of an account is read by a rule, or by what the table says."""

import ast
import pkgutil
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal as D
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import libs.risk
from libs.risk import AccountView, Judgement, Limits
from libs.risk.promises import ACCOUNT, PROMISES, STRATEGY, Promise, sentences
from libs.schemas.account import Account
from libs.schemas.base import Wire
from libs.schemas.context import AccountContext
from libs.schemas.decision import AssetDecision, Facts
from libs.schemas.strategy import Ladder, StrategyRiskParameters, TradingStrategy
from tests import builders
from tests.unit.risk.samples import (
    BTC,
    ETH,
    NOW,
    account,
    facts,
    judged,
    limits,
    position,
    row,
    strategy,
)

ROOT = Path(__file__).parents[3]
# Read by parts that are being built; delete a name here once its reader exists.
AWAITED = {"price_trigger_pct", "funding_near_min"}
TEXTS = {"description", "changed_because"}  # carried whole to people, read by no code
RECEIPTS = {"size": "sizing", "fixed": "sizing", "percentage": "sizing"}
SILENT = ("make_entry",)  # shapes the order and leaves no receipt

Probe = tuple[Mapping[str, Any], Mapping[str, Any], Mapping[str, Any]]
FUNDED = {"market": facts(funding_rate=0.0006, next_funding_time=NOW + timedelta(minutes=4))}
# (field → strategy as it is, the field's other value, what is judged); a buy of 100 × 5 where nothing else is said.
PROBES: Mapping[str, Probe] = {
    "risk_parameters.max_leverage": ({}, {"max_leverage": 3}, {}),
    "risk_parameters.max_risk_per_trade": ({}, {"max_risk_per_trade": 0.05}, {}),
    "risk_parameters.max_daily_loss": ({}, {"max_daily_loss": 10}, {"held": account(equity=D(9_150))}),
    "risk_parameters.stop_loss_percentage": ({}, {"stop_loss_percentage": 3}, {"asked": row(sl_price=None)}),
    "risk_parameters.take_profit_ratio": ({}, {"take_profit_ratio": 6}, {}),
    "take_profit_pct": ({"take_profit_ratio": None}, {"take_profit_pct": 4}, {"asked": row(tp_price=None)}),
    "risk_parameters.liquidation_buffer": ({}, {"liquidation_buffer": 0.95}, {}),
    "max_positions": ({}, {"max_positions": 1}, {"held": account(position(ETH))}),
    "max_exposure_pct": ({}, {"max_exposure_pct": 3}, {}),
    "max_asset_share_pct": ({}, {"max_asset_share_pct": 0.5}, {}),
    "max_cluster_pct": ({}, {"max_cluster_pct": 3}, {}),
    "risk_parameters.cooldown_period": (
        {}, {"cooldown_period": 30}, {"held": account(last_entry_at={BTC: NOW - timedelta(seconds=60)})}
    ),
    "risk_parameters.max_funding_rate_bps": ({}, {"max_funding_rate_bps": 5}, {"market": facts(funding_rate=0.0008)}),
    "funding_rate_threshold": ({}, {"funding_rate_threshold": 0.07}, FUNDED),
    "funding_blackout_min": ({"funding_rate_threshold": 0.07}, {"funding_blackout_min": 5}, FUNDED),
    "position_sizing": ({"fixed_margin_usd": 50}, {"position_sizing": "fixed"}, {}),
    "fixed_margin_usd": ({"position_sizing": "fixed", "fixed_margin_usd": 50}, {"fixed_margin_usd": 60}, {}),
    "margin_pct": ({}, {"margin_pct": 0.5}, {}),
    "ladder": ({"order_preference": "maker_only"}, {"ladder": Ladder(rungs=3, step_pct=0.1)}, {}),
    "order_preference": ({}, {"order_preference": "maker_only"}, {}),
}  # fmt: skip
ACCOUNT_PROBES: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    "max_position_size": ({"max_position_size": D(300)}, {}),
    "leverage": ({"leverage": D(2)}, {}),
    "symbols": ({"symbols": (ETH,)}, {}),
}


def strategy_fields() -> tuple[str, ...]:
    """Dotted names of every field of a strategy, but for the schema's own version."""
    own = (name for name in TradingStrategy.model_fields if name not in ("schema_version", "risk_parameters"))
    return (*(f"risk_parameters.{name}" for name in StrategyRiskParameters.model_fields), *own)


def account_fields() -> tuple[str, ...]:
    return tuple(name for name in Account.model_fields if name != "schema_version")


def named(promise: Promise) -> str:
    return promise.field


@pytest.mark.parametrize(
    ("fields", "promises"), [(strategy_fields(), STRATEGY), (account_fields(), ACCOUNT)], ids=["strategy", "account"]
)
def test_every_field_has_one_row(fields: tuple[str, ...], promises: tuple[Promise, ...]) -> None:
    assert sorted(promise.field for promise in promises) == sorted(fields)


@pytest.mark.parametrize("promise", PROMISES, ids=named)
def test_a_field_is_read_somewhere_and_by_functions_that_exist(promise: Promise) -> None:
    assert promise.rules or promise.elsewhere
    assert set(promise.rules) <= functions()


def functions() -> set[str]:
    """Every function of libs/risk but those of the table itself."""
    modules = (import_module(f"libs.risk.{found.name}") for found in pkgutil.iter_modules(libs.risk.__path__))
    return {
        name
        for module in modules
        if module.__name__ != "libs.risk.promises"
        for name, value in vars(module).items()
        if callable(value) and getattr(value, "__module__", "") == module.__name__
    }


def outcome(bounds: Limits, case: Mapping[str, Any]) -> Judgement:
    held: AccountView | None = case.get("held")
    market: Facts | None = case.get("market")
    asked: AssetDecision = case.get("asked", row())
    return judged(asked, held=held, market=market, bounds=bounds)


def rules_that_differ(one: Judgement, other: Judgement) -> set[str]:
    first, second = one.verdicts[0], other.verdicts[0]
    return {receipt.rule for receipt in (*first.receipts, *second.receipts)
            if receipt not in first.receipts or receipt not in second.receipts}  # fmt: skip


@pytest.mark.parametrize("promise", [each for each in STRATEGY if each.rules], ids=named)
def test_a_strategys_field_changes_the_judgement_through_its_rule(promise: Promise) -> None:
    plan, other, case = PROBES[promise.field]
    before, after = outcome(limits(strategy(**plan)), case), outcome(limits(strategy(**{**plan, **other})), case)
    assert before.verdicts != after.verdicts
    assert promise.rules == SILENT or {RECEIPTS.get(name, name) for name in promise.rules} & rules_that_differ(
        before, after
    )


@pytest.mark.parametrize("promise", [each for each in ACCOUNT if each.rules and each.field != "status"], ids=named)
def test_an_accounts_field_changes_the_judgement_through_its_rule(promise: Promise) -> None:
    other, case = ACCOUNT_PROBES[promise.field]
    base = limits()
    changed = Limits(base.strategy, base.account.model_copy(update=dict(other)), base.venue)
    before, after = outcome(base, case), outcome(changed, case)
    assert before.verdicts != after.verdicts
    assert {RECEIPTS.get(name, name) for name in promise.rules} & rules_that_differ(before, after)


@pytest.mark.parametrize("status", ["paused", "stopped"])
def test_an_accounts_status_denies_its_entries(status: str) -> None:
    assert outcome(limits(), {"held": account(status=status)}).verdicts[0].receipts[0].rule == "account_status"


@pytest.mark.parametrize("promise", [each for each in PROMISES if each.elsewhere], ids=named)
def test_what_else_reads_a_field_does_read_it(promise: Promise) -> None:
    name = promise.field.rpartition(".")[2]
    missing = [folder for folder in promise.elsewhere if not reads(folder, name)]
    assert not missing or name in AWAITED | TEXTS


_READ: dict[str, set[str]] = {}


def reads(folder: str, name: str) -> bool:
    """Whether code below a folder loads an attribute of that name."""
    if folder not in _READ:
        trees = (ast.parse(path.read_text()) for path in (ROOT / folder).rglob("*.py"))
        nodes = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute))
        _READ[folder] = {node.attr for node in nodes if isinstance(node.ctx, ast.Load)}
    return name in _READ[folder]


def context(plan: TradingStrategy | None = None, **fields: Any) -> AccountContext:
    money = ("equity", "balance_usd", "available_balance", "day_open_equity")
    filled: dict[str, Any] = {
        **dict.fromkeys(money, D(0)),
        "max_position_size": D(25_000),
        "active_strategy": plan or strategy(),
        "leverage": D(8),
        "as_of": NOW,
    }
    return builders.account_context("main", **(filled | fields))


SAID = [each for each in PROMISES if each.says is not None]


@pytest.mark.parametrize("promise", SAID, ids=named)
def test_a_sentence_changes_with_its_field(promise: Promise) -> None:
    if promise in ACCOUNT:
        was, now = context(), context(max_position_size=D(300), leverage=D(2))
    elif promise.field == "max_hold_minutes":
        was, now = context(), context(strategy(max_hold_minutes=45))
    else:
        plan, other, _ = PROBES[promise.field]
        was, now = context(strategy(**plan)), context(strategy(**{**plan, **other}))
    assert promise.says is not None
    assert promise.says(was) != promise.says(now)
    assert promise.says(now) in sentences(now)


def test_no_sentence_is_said_twice_and_each_is_one_line() -> None:
    said = sentences(context())
    assert len(set(said)) == len(said) > 10
    assert all(text == text.strip() and "\n" not in text and not text.endswith(".") for text in said)


def test_sentences_carry_the_true_numbers() -> None:
    said = "\n".join(sentences(context(strategy(max_exposure_pct=200, max_asset_share_pct=25))))
    for text in (
        "leverage at most 8x",
        "25,000.00 USD",
        "at most 5% of equity at its stop",
        "at most 50% of equity (25%",
    ):
        assert text in said


def test_the_models_do_not_hide_a_field_from_the_table() -> None:
    """A nested model would need rows of its own."""
    plain = {name for name, field in TradingStrategy.model_fields.items() if not nested(field.annotation)}
    assert set(TradingStrategy.model_fields) - plain == {"risk_parameters"}


def nested(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Wire)
