"""Puts the configuration of `config/` into the KV bucket `config`: only what is missing, or changed in the file.

What the API changed since stays: a file is written again only when the file itself has changed.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cli.errors import CliError
from cli.files import load, parse, rows
from cli.project import CONFIG
from libs.configuration.configuration import By, Configuration, Configured, KvConfigStore, Refused
from libs.configuration.strategies import Strategies
from libs.configuration.templates import JinjaTemplates
from libs.runtime.bus import Bus
from libs.schemas.account import Account
from libs.schemas.base import Message
from libs.schemas.experiment import Experiment
from libs.schemas.strategy import TradingStrategy
from libs.schemas.subjects import account_key, strategy_key, venue_key
from libs.schemas.venue import VenueSymbol

WHO = "perpetua seed"


def read_strategies(folder: Path = CONFIG) -> list[TradingStrategy]:
    files = sorted((folder / "strategies").glob("*.yaml"))
    if not files:
        raise CliError(f"no strategies in {folder / 'strategies'}", "restore the files from git")
    return [parse(TradingStrategy, load(file), file) for file in files]


def read_venue(folder: Path = CONFIG) -> list[VenueSymbol]:
    file = folder / "venues" / "paper.yaml"
    content = load(file)
    return [parse(VenueSymbol, {"venue": content.get("venue", "paper"), **one}, file) for one in rows(content, file)]


def read_accounts(folder: Path = CONFIG, symbols: Sequence[str] | None = None) -> list[Account]:
    """The accounts, each with those of its symbols that are traded in this run."""
    file = folder / "accounts.yaml"
    listed = rows(load(file), file, "accounts")
    return [
        parse(Account, one if symbols is None else {**one, "symbols": _traded(one, symbols)}, file) for one in listed
    ]


def _traded(account: Mapping[str, Any], symbols: Sequence[str]) -> list[str]:
    named = account.get("symbols")
    return ([one for one in named if one in symbols] if isinstance(named, list) else []) or list(symbols)


def read_all(symbols: Sequence[str], folder: Path = CONFIG) -> dict[str, Configured]:
    """Everything to be seeded, by key."""
    strategies = read_strategies(folder)
    accounts = read_accounts(folder, symbols)
    for account in accounts:
        if account.strategy_id not in {one.strategy_id for one in strategies}:
            raise CliError(
                f"accounts.yaml: {account.account_id} wants the strategy {account.strategy_id!r}, which is not there",
                f"there are {', '.join(one.strategy_id for one in strategies)}",
            )
    return {
        **{venue_key(one.venue, one.symbol): one for one in read_venue(folder)},
        **{strategy_key(one.strategy_id): one for one in strategies},
        **{account_key(one.account_id): one for one in accounts},
    }


def digest(body: Message) -> str:
    return hashlib.sha256(body.model_dump_json().encode()).hexdigest()


async def seed(bus: Bus, wanted: Mapping[str, Configured], remembered: Path) -> list[str]:
    """Write what is missing or changed; returns the keys written. `remembered` keeps what the files said last time."""
    before = _remembered(remembered)
    configuration = Configuration(KvConfigStore(bus))
    strategies = Strategies(configuration, JinjaTemplates())
    found = [
        key for key, body in wanted.items() if await _seeded(strategies, configuration, key, body, before.get(key))
    ]
    _remember(remembered, before | {key: digest(body) for key, body in wanted.items()})
    return found


async def _seeded(
    strategies: Strategies, configuration: Configuration, key: str, body: Configured, last_time: str | None
) -> bool:
    """Whether it was written. A changed file is a new version above the stored one."""
    stored = await configuration.store.latest(key)
    if stored is None or stored.value is None:
        made = await _created(strategies, configuration, key, body)
    elif last_time is None or last_time == digest(body):
        return False
    else:
        made = await _replaced(strategies, configuration, key, body)
    if isinstance(made, Refused):
        raise CliError(f"config/: {key}: {made.message}", "correct the file")
    return True


async def _created(strategies: Strategies, configuration: Configuration, key: str, body: Configured) -> object:
    by = By(WHO, "it is in the files of config/ and was not there")
    match body:
        case TradingStrategy():
            return await strategies.add(body, by)
        case Account():
            return await configuration.create(key, body, by)
        case VenueSymbol():
            return await configuration.create(key, body, by)
        case Experiment():
            return await configuration.create(key, body, by)


async def _replaced(strategies: Strategies, configuration: Configuration, key: str, body: Configured) -> object:
    by = By(WHO, "its file in config/ has changed")
    match body:
        case TradingStrategy():
            return await strategies.change(body.strategy_id, body.model_dump(), by)
        case Account():
            return await configuration.change(
                Account, key, lambda now: body.model_copy(update={"version": now.version}), by
            )
        case VenueSymbol():
            return await configuration.change(VenueSymbol, key, lambda now: body, by)
        case Experiment():
            return await configuration.change(Experiment, key, lambda now: body, by)


def _remembered(file: Path) -> dict[str, str]:
    try:
        content = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _remember(file: Path, digests: Mapping[str, str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(digests, indent=1))
