"""What the commands `account`, `strategy` and `config` do on the bus, and how they say it."""

import getpass
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from cli.connection import connected
from cli.errors import CliError
from cli.files import load, parse
from libs.configuration.accounts import Accounts
from libs.configuration.configuration import By, ConfigRefusal, Configuration, Refused, Written
from libs.configuration.kv_store import KvConfigStore
from libs.configuration.models import ModelSwitch
from libs.configuration.strategies import Preview, Strategies
from libs.configuration.templates import JinjaTemplates, TemplateFailed
from libs.runtime.bus import Bus
from libs.runtime.errors import Unavailable
from libs.schemas.account import Account, AccountState
from libs.schemas.base import Wire
from libs.schemas.strategy import TradingStrategy
from libs.schemas.subjects import KV_STATE
from libs.strategies.sample import samples

T = TypeVar("T")
HINTS = {
    ConfigRefusal.MISSING: "`list` of `perpetua account`, `strategy` or `config` shows what there is",
    ConfigRefusal.EXISTS: "take another id, or change what is there",
    ConfigRefusal.VERSION: "look at it again, then repeat with its present version",
    ConfigRefusal.INVALID: "correct the field",
    ConfigRefusal.TEMPLATE: "correct prompt_template; `perpetua strategy preview --file` tries it",
    ConfigRefusal.UNFIT: "correct what is named, or take another strategy",
    ConfigRefusal.IN_USE: "`perpetua strategy assign` gives an account another one",
    ConfigRefusal.CONTESTED: "try again",
}


@dataclass(frozen=True, slots=True)
class ConfigurationDesk:
    """The ways to read and to change configuration, on one connection."""

    bus: Bus
    store: KvConfigStore
    strategies: Strategies
    accounts: Accounts
    models: ModelSwitch

    async def state(self, account_id: str) -> AccountState | None:
        entry = await self.bus.kv_get(KV_STATE.name, account_id)
        return AccountState.model_validate_json(entry.value) if entry else None

    async def all_accounts(self) -> list[Account]:
        found = await self.store.present("account.")
        return [Account.model_validate_json(one.value or b"") for _, one in sorted(found.items())]

    async def all_strategies(self) -> list[TradingStrategy]:
        found = sorted((await self.store.present("strategy.")).items())
        return [TradingStrategy.model_validate_json(one.value or b"") for key, one in found if key.count(".") == 1]

    async def history(self, key: str) -> list[Written]:
        found = await self.store.history(key)
        if not found:
            raise CliError(f"nothing was ever stored under {key}", HINTS[ConfigRefusal.MISSING])
        return found


@asynccontextmanager
async def desk(url: str) -> AsyncIterator[ConfigurationDesk]:
    """CliError while NATS is away."""
    async with connected(url) as bus:
        store = KvConfigStore(bus)
        configuration = Configuration(store)
        strategies = Strategies(configuration, JinjaTemplates())
        try:
            yield ConfigurationDesk(
                bus, store, strategies, Accounts(configuration, strategies), ModelSwitch(configuration)
            )
        except Unavailable as error:
            raise CliError(str(error), "is it running? see `perpetua status`") from error


def by(why: str) -> By:
    """The user of this machine, and the reason given."""
    if not why.strip():
        raise CliError("a change needs a reason", "say it by --why TEXT: it is kept with the change")
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = "unknown user"
    return By(f"{user} (command)", why.strip())


def granted(made: T | Refused) -> T:
    """What was made; CliError for a refusal."""
    if isinstance(made, Refused):
        raise CliError(made.message, HINTS[made.why])
    return made


def fields_of(pairs: Sequence[str]) -> dict[str, Any]:
    """`leverage=5 symbols=BTCUSDT,ETHUSDT budgets.usd_per_day=2 model=none` as fields of an account."""
    found: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise CliError(f"{pair!r} sets nothing", "write FIELD=VALUE, for example leverage=5")
        value: Any = None if text.lower() == "none" else text.split(",") if name == "symbols" else text
        outer, dot, inner = name.partition(".")
        if dot:
            found.setdefault(outer, {})[inner] = value
        else:
            found[name] = value
    return found


def merged(now: Account, fields: dict[str, Any]) -> dict[str, Any]:
    """Nested fields keep what was not named."""
    nested = {
        name: before.model_dump() | value
        for name, value in fields.items()
        if isinstance(value, dict) and isinstance(before := getattr(now, name, None), Wire)
    }
    return fields | nested


def read_strategy(file: Path) -> TradingStrategy:
    return parse(TradingStrategy, load(file), file)


def read_account(file: Path) -> Account:
    return parse(Account, load(file), file)


def previewed(strategies: Preview, strategy: TradingStrategy, account: Account | None) -> list[str]:
    """The template as it reads without and with an open position."""
    titles = ("--- nothing open", "--- with an open position")
    try:
        texts = [strategies.render(strategy, context) for context in samples(strategy, account)]
    except TemplateFailed as error:
        raise CliError(str(error), HINTS[ConfigRefusal.TEMPLATE]) from error
    shown = (
        zip(titles, texts, strict=True) if texts[0] != texts[1] else [("--- open positions change nothing", texts[0])]
    )
    return [f"{title} ({len(text)} characters)\n{text.rstrip()}" for title, text in shown]


def history_lines(writes: Sequence[Written]) -> list[str]:
    """One write a line, newest first: when, version, who, why, and what differs from the write before."""
    lines = []
    before: dict[str, Any] = {}
    for one in writes:
        now = _object(one.value)
        what = "deleted" if one.value is None else "created" if not before else _difference(before, now)
        version = f"v{now['version']}" if "version" in now else "-"
        lines.append(f"{one.at:%Y-%m-%d %H:%M:%S}  {version:>4}  {one.by.who}: {one.by.why}  [{what}]")
        before = now
    return lines[::-1]


def history_json(writes: Sequence[Written]) -> list[dict[str, Any]]:
    return [
        {
            "revision": one.revision,
            "at": one.at.isoformat(),
            "who": one.by.who,
            "why": one.by.why,
            "value": None if one.value is None else _object(one.value),
        }
        for one in reversed(writes)
    ]


def _difference(before: dict[str, Any], now: dict[str, Any]) -> str:
    names = sorted(
        name for name in before.keys() | now.keys() if name != "version" and before.get(name) != now.get(name)
    )
    return ", ".join(f"{name} {_short(before.get(name))} -> {_short(now.get(name))}" for name in names) or "as before"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _object(value: bytes | None) -> dict[str, Any]:
    try:
        found = json.loads(value or b"{}")
    except ValueError:
        return {"value": (value or b"").decode(errors="replace")}
    return found if isinstance(found, dict) else {"value": found}
