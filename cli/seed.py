"""Puts the configuration of `config/` into the KV bucket `config`: only what is missing, or changed in the file.

What the API changed since stays: a file is written again only when the file itself has changed.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from cli.errors import CliError
from cli.project import CONFIG
from libs.runtime.bus import Bus
from libs.schemas.account import Account
from libs.schemas.base import Message
from libs.schemas.strategy import TradingStrategy
from libs.schemas.subjects import KV_CONFIG, account_key, strategy_key, venue_key
from libs.schemas.venue import VenueSymbol

M = TypeVar("M", bound=Message)
Versioned = Account | TradingStrategy


def read_strategies(folder: Path = CONFIG) -> list[TradingStrategy]:
    files = sorted((folder / "strategies").glob("*.yaml"))
    if not files:
        raise CliError(f"no strategies in {folder / 'strategies'}", "restore the files from git")
    return [_parse(TradingStrategy, _load(file), file) for file in files]


def read_venue(folder: Path = CONFIG) -> list[VenueSymbol]:
    file = folder / "venues" / "paper.yaml"
    content = _load(file)
    return [_parse(VenueSymbol, {"venue": content.get("venue", "paper"), **one}, file) for one in _list(content, file)]


def read_accounts(folder: Path = CONFIG, symbols: Sequence[str] | None = None) -> list[Account]:
    """The accounts, each with those of its symbols that are traded in this run."""
    file = folder / "accounts.yaml"
    accounts = [_parse(Account, one, file) for one in _list(_load(file), file, "accounts")]
    if symbols is None:
        return accounts
    return [one.model_copy(update={"symbols": _traded(one, symbols)}) for one in accounts]


def _traded(account: Account, symbols: Sequence[str]) -> tuple[str, ...]:
    return tuple(symbol for symbol in account.symbols if symbol in symbols) or tuple(symbols)


def read_all(symbols: Sequence[str], folder: Path = CONFIG) -> dict[str, Message]:
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


async def seed(bus: Bus, wanted: Mapping[str, Message], remembered: Path) -> list[str]:
    """Write what is missing or changed; returns the keys written. `remembered` keeps what the files said last time."""
    before = _remembered(remembered)
    written = []
    for key, body in wanted.items():
        entry = await bus.kv_get(KV_CONFIG.name, key)
        if entry is not None and before.get(key, digest(body)) == digest(body):
            continue
        made = body if entry is None or not isinstance(body, Versioned) else _next_version(body, entry.value)
        if isinstance(made, TradingStrategy):
            await bus.kv_put(KV_CONFIG.name, strategy_key(made.strategy_id, made.version), made)
        await bus.kv_put(KV_CONFIG.name, key, made)
        written.append(key)
    _remember(remembered, before | {key: digest(body) for key, body in wanted.items()})
    return written


def _next_version(body: Versioned, stored: bytes) -> Message:
    """A changed file is a new version above the stored one; versions that were used stay what they were."""
    try:
        version = int(json.loads(stored)["version"]) + 1
    except (ValueError, KeyError, TypeError):
        version = body.version
    return body.model_copy(update={"version": max(version, body.version)})


def _remembered(file: Path) -> dict[str, str]:
    try:
        content = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _remember(file: Path, digests: Mapping[str, str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(digests, indent=1))


def _load(file: Path) -> dict[str, Any]:
    import yaml

    try:
        content = yaml.safe_load(file.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise CliError(f"{file} cannot be read: {error}", "correct the file, or restore it from git") from error
    if not isinstance(content, dict):
        raise CliError(f"{file} holds no mapping", "correct the file, or restore it from git")
    return content


def _list(content: Mapping[str, Any], file: Path, key: str = "symbols") -> list[dict[str, Any]]:
    found = content.get(key)
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise CliError(f"{file} has no list {key!r}", "correct the file, or restore it from git")
    return found


def _parse(kind: type[M], content: Mapping[str, Any], file: Path) -> M:
    """Unknown fields are refused here: in a file that people write they are typing mistakes."""
    unknown = set(content) - set(kind.model_fields)
    if unknown:
        raise CliError(f"{file}: unknown field {', '.join(sorted(unknown))}", f"fields: {', '.join(kind.model_fields)}")
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise CliError(f"{file}: {where or 'the whole'}: {first['msg']}", "correct the file") from error
