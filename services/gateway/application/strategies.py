"""Strategies: what there is, whether one is sound, how one reads, and which account got which."""

from pydantic import TypeAdapter

from libs.configuration.configuration import ConfigEntry, Refused, WrongField, given
from libs.configuration.strategies import assignments
from libs.configuration.templates import TemplateFailed
from libs.records.keys import ApiKey
from libs.schemas.account import Account
from libs.schemas.context import TradingContext
from libs.schemas.strategy import TradingStrategy
from libs.schemas.subjects import account_key
from libs.strategies.sample import samples
from services.gateway.application.changes import by, found_strategy, granted
from services.gateway.application.claiming import Use, once
from services.gateway.domain.configuring import (
    Assignments,
    Checked,
    NewStrategyBody,
    PreviewBody,
    Previewed,
    StrategyAssignment,
    StrategyList,
    StrategySummary,
)
from services.gateway.domain.problems import FieldProblem, invalid
from services.gateway.ports import Deps

CHARS_A_TOKEN = 4
_STORED: TypeAdapter[ConfigEntry[TradingStrategy]] = TypeAdapter(ConfigEntry[TradingStrategy])


def available(deps: Deps, key: ApiKey) -> StrategyList:
    """The active version of every strategy, with the accounts that the key sees."""
    accounts = [account for account in deps.accounts.accounts() if key.sees(account.account_id)]
    strategies = sorted(deps.accounts.strategies(), key=lambda strategy: strategy.strategy_id)
    return StrategyList(items=[_summary(strategy, accounts) for strategy in strategies])


def checked(deps: Deps, fields: dict[str, object]) -> Checked:
    """What is wrong with a strategy, its template included."""
    parsed = given(TradingStrategy, fields)
    problems = (parsed,) if isinstance(parsed, Refused) else deps.desk.strategies.check(parsed)
    errors = [
        FieldProblem(field=wrong.path, message=wrong.message, code=wrong.code)
        for problem in problems
        for wrong in problem.fields or (WrongField("", problem.message, problem.why.value),)
    ]
    return Checked(valid=not errors, errors=errors)


async def added(
    deps: Deps, key: ApiKey, body: NewStrategyBody, idempotency_key: str | None
) -> ConfigEntry[TradingStrategy]:
    """A new strategy, checked and its template tried before."""
    wanted = granted(given(TradingStrategy, body.strategy), "strategy")

    async def add() -> ConfigEntry[TradingStrategy]:
        return granted(await deps.desk.strategies.add(wanted, by(key, body.reason)), "strategy")

    return await once(deps, Use(key, idempotency_key, f"strategy:{body.model_dump_json()}"), _STORED, add)


async def previewed(deps: Deps, strategy_id: str, body: PreviewBody, account: Account | None) -> Previewed:
    """The template as a model would read it: in the account's newest context, else in a made-up one."""
    strategy = await _previewable(deps, strategy_id, body)
    context = await deps.market.context(account.account_id) if account else None
    shown = context or samples(strategy, account)[1]
    text = _rendered(deps, strategy, shown)
    return Previewed(
        strategy_id=strategy.strategy_id,
        version=strategy.version,
        text=text,
        characters=len(text),
        estimated_tokens=-(-len(text) // CHARS_A_TOKEN),
        context_id=shown.context_id,
    )


async def assigned(deps: Deps, account: Account) -> Assignments:
    """The account's strategy, and when it got which, by whom and why: the last 64 changes of the account."""
    changes = assignments(await deps.desk.store.history(account_key(account.account_id)))
    history = [
        StrategyAssignment(strategy_id=name, account_version=version, who=who.who, why=who.why, at=at)
        for at, who, name, version in changes
    ]
    return Assignments(account_id=account.account_id, strategy_id=account.strategy_id, history=history)


async def _previewable(deps: Deps, strategy_id: str, body: PreviewBody) -> TradingStrategy:
    if body.strategy is not None:
        return granted(given(TradingStrategy, body.strategy), "strategy")
    return found_strategy(strategy_id, await deps.desk.strategies.get(strategy_id)).body


def _rendered(deps: Deps, strategy: TradingStrategy, context: TradingContext) -> str:
    try:
        return deps.desk.strategies.render(strategy, context)
    except TemplateFailed as error:
        raise invalid("body.strategy.prompt_template", str(error)) from error


def _summary(strategy: TradingStrategy, accounts: list[Account]) -> StrategySummary:
    users = sorted(account.account_id for account in accounts if account.strategy_id == strategy.strategy_id)
    shown = strategy.model_dump(include=set(StrategySummary.model_fields) - {"accounts"})
    return StrategySummary(**shown, accounts=users)
