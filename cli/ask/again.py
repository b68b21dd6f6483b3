"""`perpetua decide --again`: a recorded decision made again, from its raw answers or by another model or prompt.

Nothing is published and nothing is kept. Calls are made from here, outside of budgets and breakers and with the keys of
this environment: one person asked for one.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from cli.ask.address import mongodb_url, nats_url
from cli.ask.models import Configured, of_run
from cli.ask.prompts import way_to_models
from cli.ask.records import decided, records
from cli.connection import connected
from cli.errors import CliError
from libs.configuration.mirror import ConfigMirror
from libs.configuration.templates import JinjaTemplates
from libs.configuration.yaml_text import yaml_value
from libs.runtime.clock import WallClock
from libs.schemas.account import Account
from libs.schemas.context import TradingContext
from libs.schemas.decision import DecisionProposed
from libs.schemas.strategy import TradingStrategy
from services.decider.application.deciding import Deps, decide
from services.decider.domain import routing, seats
from services.decider.domain.catalogue import CatalogueEntry, UnknownModel
from services.decider.domain.gate import Admitted, WorstCase
from services.decider.domain.policy import CallLimits
from services.decider.domain.replay import replay
from services.decider.domain.replies import Reply
from services.decider.domain.seats import Seat
from services.decider.domain.settlement import Settlement

ABSENT = "-"


@dataclass(frozen=True, slots=True)
class AgainWishes:
    """What is to be different. `prompt` is a version of the strategy (`3`, or `swing@3`), `template` a file."""

    model: str | None = None
    prompt: str | None = None
    template: Path | None = None

    @property
    def asks(self) -> bool:
        """Whether a model is asked; without a wish the recorded answers are read again."""
        return (self.model, self.prompt, self.template) != (None, None, None)


@dataclass(frozen=True, slots=True)
class Pair:
    """The decision as it was recorded, and as it was made now."""

    recorded: DecisionProposed
    now: DecisionProposed


async def again(state_dir: Path, decision_id: str, wishes: AgainWishes) -> Pair:
    """With the deciders' catalogue and chain, and this environment's keys.

    CliError for a decision, model, version or file that is not there."""
    async with records(mongodb_url(state_dir)) as db:
        context, recorded = await decided(db, decision_id)
    if not wishes.asks:
        return Pair(recorded, replay(context, recorded))
    async with connected(nats_url(state_dir)) as bus:
        mirror = ConfigMirror(bus)
        await mirror.start()
        try:
            seat = seats.again(context, recorded)
            if wishes.prompt is not None or wishes.template is not None:
                seat = seats.without_prompt(seat)
            found = await of_run(state_dir, mirror.models)
            return Pair(recorded, await _asked(mirror, found, _changed(mirror, context, recorded, wishes), seat))
        finally:
            await mirror.stop()


def _changed(
    mirror: ConfigMirror, context: TradingContext, recorded: DecisionProposed, wishes: AgainWishes
) -> TradingContext:
    """The same context under the wished prompt, for the wished model; the limits stay those of the decision."""
    asked = dict.fromkeys(call.model_requested for call in recorded.calls)
    model = wishes.model or ",".join(asked) or context.request.model
    account, strategy = context.account_state, context.account_state.active_strategy
    if wishes.template is not None:
        strategy = strategy.model_copy(update={"prompt_template": template_of(wishes.template)})
    elif wishes.prompt is not None:
        other = _version(mirror, strategy.strategy_id, wishes.prompt)
        kept = ("strategy_id", "strategy_name", "version", "prompt_template")
        strategy = strategy.model_copy(update={name: getattr(other, name) for name in kept})
    return context.model_copy(
        update={
            "request": context.request.model_copy(update={"model": model}),
            "account_state": account.model_copy(update={"active_strategy": strategy}),
        }
    )


def _version(mirror: ConfigMirror, strategy_id: str, wanted: str) -> TradingStrategy:
    name, _, version = wanted.rpartition("@")
    if not version.isdecimal():
        raise CliError(f"--prompt {wanted} is no version", "write a number, or a strategy and a number: swing@3")
    found = mirror.strategy(name or strategy_id, int(version))
    if found is None:
        raise CliError(
            f"strategy {name or strategy_id} has no version {version}",
            f"`perpetua strategy history {name or strategy_id}` shows which there are",
        )
    return found


def template_of(file: Path) -> str:
    """The text of a template, or the `prompt_template` of a strategy's YAML."""
    try:
        text = file.read_text()
        body: Any = yaml_value(text) if file.suffix in (".yaml", ".yml") else {"prompt_template": text}
        return str(body["prompt_template"])
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError) as error:
        raise CliError(
            f"{file} holds no template: {' '.join(str(error).split())[:200]}",
            "give a text file, or a strategy's YAML with prompt_template",
        ) from error


async def _asked(mirror: ConfigMirror, found: Configured, context: TradingContext, seat: Seat) -> DecisionProposed:
    names = routing.names(context.request.model or ",".join(found.chain))
    entries = routing.entries(found.catalogue, names)
    if isinstance(entries, UnknownModel):
        raise CliError(str(entries), "`perpetua models list` shows which there are")
    settings = found.settings
    async with way_to_models(found) as models:
        deps = Deps(
            clock=_Then(context.timestamp),
            accounts=mirror,
            catalogue=found.catalogue,
            default_model=",".join(names),
            models=models,
            answers=_NothingKept(),
            gate=_Open(),
            shadow_gate=_Open(),
            incidents=_NoIncidents(),
            templates=JinjaTemplates(),
            tokens=models,
            limits=CallLimits(
                settings.decider_deadline_s, settings.decider_max_calls, backoff_s=settings.decider_backoff_s
            ),
            concurrency=1,
            sleep=asyncio.sleep,
            observe=lambda proposal: None,
        )
        return await decide(deps, context, seat)


class _Then(WallClock):
    """Market time stands where the context was built: it has not expired."""

    def __init__(self, at: datetime) -> None:
        self._at = at

    def now(self) -> datetime:
        return self._at


class _NothingKept:
    async def kept(self, decision_id: str) -> list[Reply]:
        return []

    async def keep(self, decision_id: str, attempt: int, reply: Reply) -> Reply:
        return reply

    @asynccontextmanager
    async def claim(self, call_id: str) -> AsyncIterator[bool]:
        yield True


class _Open:
    async def admit(self, call_id: str, account: Account | None, entry: CatalogueEntry, worst: WorstCase) -> Admitted:
        return Admitted(call_id)

    async def settle(self, ticket: Admitted, settlement: Settlement) -> None:
        return


class _NoIncidents:
    async def begin(self, key: str, now: datetime) -> datetime | None:
        return None

    async def end(self, key: str) -> None:
        return


def summary(made: DecisionProposed) -> dict[str, str]:
    """What two decisions are compared by, a text each."""
    calls = made.calls
    known = [call.cost_usd for call in calls if call.cost_usd is not None]
    found = {
        "models asked": ", ".join(call.model_requested for call in calls) or "none",
        "prompt": ", ".join(dict.fromkeys(call.prompt_version for call in calls)) or "-",
        "prompt sha256": ", ".join(dict.fromkeys(call.prompt_sha256[:12] for call in calls)) or "-",
        "outcomes": ", ".join(call.outcome for call in calls) or "-",
        "status": made.status if made.abstain_reason is None else f"{made.status} ({made.abstain_reason})",
        "cost": f"{sum(known):.6f} USD" if len(known) == len(calls) else "unknown",
        "latency": f"{sum(call.latency_ms for call in calls):.0f} ms",
        "tokens in, out": ", ".join(
            f"{call.usage.prompt} {call.usage.completion}" if call.usage else "unknown" for call in calls
        ) or "-",
    }  # fmt: skip
    for row in made.decision.decisions if made.decision else ():
        found |= {f"{row.asset} {shown}": _text(getattr(row, name)) for name, shown in _FIELDS.items()}
    return found


_FIELDS = {
    "action": "action", "allocation_usd": "allocation", "leverage": "leverage", "sl_price": "stop",
    "tp_price": "target", "confidence": "confidence",
}  # fmt: skip


def _text(value: float | str | None) -> str:
    if value is None:
        return ABSENT
    return f"{value:.8g}" if isinstance(value, float) else value


def comparison(pair: Pair) -> list[str]:
    """A line for each field: its name, as recorded, as made now, and a mark where they differ."""
    before, after = summary(pair.recorded), summary(pair.now)
    every = ((name, before.get(name, ABSENT), after.get(name, ABSENT)) for name in dict.fromkeys((*before, *after)))
    rows = [("", "recorded", "now"), *(row for row in every if row[1:] != (ABSENT, ABSENT))]
    widths = [max(len(row[n]) for row in rows) for n in (0, 1)]
    return [
        f"{name:<{widths[0]}}  {was:<{widths[1]}}  {now}{'  *' if name and was != now else ''}".rstrip()
        for name, was, now in rows
    ] + [
        f"{when}: {made.abstain_detail}"
        for when, made in (("recorded", pair.recorded), ("now", pair.now))
        if made.abstain_detail
    ]
