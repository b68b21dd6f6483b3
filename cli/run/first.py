"""`perpetua init`: a configuration of one's own in a state folder, each line with what it means."""

import asyncio
import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from cli.embedded.access import write_private
from cli.errors import CliError
from cli.files import known_symbols, parse
from cli.project import CONFIG, StateFolder, shown
from cli.run.finding import Finding
from cli.run.plan import traded_symbols
from cli.run.preflight import RULE, checked, of_key, wrong_address
from cli.run.replacing import LOCK, built_aside, refusals
from cli.run.seed import read_strategies
from libs.schemas.account import Account
from libs.schemas.symbols import canonical

if TYPE_CHECKING:
    from libs.schemas.strategy import TradingStrategy
    from services.decider.domain.catalogue import Catalogue, CatalogueEntry

KEY_OF: Mapping[str, str] = {"openrouter": "OPENROUTER_API_KEY", "openai-compatible": "LLM_API_KEY"}
BASE_URL = "LLM_BASE_URL"
USUAL_LEVERAGE = 5
_CHAIN = re.compile(r"^chain: .*$", re.MULTILINE)
LEAST_BALANCE, MOST_BALANCE = Decimal(100), Decimal(1_000_000_000)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was chosen. `variables` are written for the owner only: keys and addresses of models."""

    account: str
    symbols: tuple[str, ...]
    balance: Decimal
    strategy: "TradingStrategy"
    model: "CatalogueEntry"
    model_name: str
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)


class Offer:
    """What there is to choose from, and each answer read: CliError for one that is none."""

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        return known_symbols()

    @cached_property
    def usual_symbols(self) -> str:
        return ",".join(traded_symbols())

    @cached_property
    def strategies(self) -> dict[str, "TradingStrategy"]:
        return {strategy.strategy_id: strategy for strategy in read_strategies()}

    @cached_property
    def catalogue(self) -> "Catalogue":
        from services.decider.application.models_file import load
        from services.decider.domain.catalogue import CatalogueError

        try:
            return load(CONFIG)
        except CatalogueError as error:
            raise CliError(str(error), "correct models.yaml") from error

    def read_symbols(self, text: str) -> tuple[str, ...]:
        written = [part.strip() for part in text.split(",") if part.strip()]
        chosen = tuple(dict.fromkeys(canonical(part) or part for part in written))
        if not chosen:
            raise CliError("no symbol is named", f"take some of {', '.join(self.symbols)}")
        for symbol in chosen:
            if symbol not in self.symbols:
                raise CliError(
                    f"{symbol} is not a symbol of the paper venue", f"take some of {', '.join(self.symbols)}"
                )
        return chosen

    def read_balance(self, text: str) -> Decimal:
        try:
            balance = Decimal(text.strip().replace("_", ""))
        except InvalidOperation:
            balance = Decimal("NaN")
        if not balance.is_finite() or not LEAST_BALANCE <= balance <= MOST_BALANCE:
            raise CliError(
                f"a balance of {text[:40]!r} is not possible",
                f"take a number from {LEAST_BALANCE} to {MOST_BALANCE}: paper dollars, as 10000",
            )
        return balance

    def read_strategy(self, text: str) -> "TradingStrategy":
        if (strategy := self.strategies.get(text.strip())) is None:
            raise CliError(f"{text[:40]!r} is not a strategy", f"take one of {', '.join(self.strategies)}")
        return strategy

    def read_model(self, text: str) -> tuple["CatalogueEntry", str]:
        from services.decider.domain import routing
        from services.decider.domain.catalogue import UnknownModel

        names = routing.names(text)
        if len(names) != 1:
            raise CliError("one model is wanted", "a chain of several can be written into models.yaml afterwards")
        entries = routing.entries(self.catalogue, names)
        if isinstance(entries, UnknownModel):
            raise CliError(str(entries), f"take one of {', '.join(self.catalogue.entries)}")
        return entries[0], names[0]

    def read_base_url(self, text: str) -> str:
        if wrong := wrong_address(text.strip()):
            raise CliError(f"the address {wrong}", "write it like http://127.0.0.1:11434/v1")
        return text.strip()


def try_key(provider: str, model: str, key: str | None, base_url: str | None) -> Finding:
    """The cheapest call of the provider, with these instead of what the environment says."""
    from services.decider.settings import Settings

    if provider == RULE:
        return Finding("ok", "keys", "the built-in rule needs no key")
    own = {KEY_OF[provider].lower(): SecretStr(key) if key else None, BASE_URL.lower(): base_url}
    settings = Settings().model_copy(update={name: one for name, one in own.items() if one})
    return of_key(asyncio.run(checked(settings, provider, [model])))


def check_place(state: StateFolder, *, replace: bool) -> None:
    """CliError where a configuration is already."""
    if state.own_config.exists() and not replace:
        raise CliError(
            f"{shown(state.own_config)} is there already",
            "change its files, or add --replace to write them anew",
        )


def write(state: StateFolder, wanted: Wanted, *, replace: bool) -> None:
    check_place(state, replace=replace)
    text = accounts_text(wanted)
    check(text, wanted)
    with refusals():
        state.folder.mkdir(parents=True, exist_ok=True)
        (state.folder / LOCK).touch()
    with built_aside(state.own_config) as aside, refusals():
        shutil.copytree(CONFIG, aside, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__*"))
        (aside / "accounts.yaml").write_text(text)
        models = aside / "models.yaml"
        models.write_text(_CHAIN.sub(lambda _: f"chain: [{json.dumps(wanted.model_name)}]", models.read_text()))
    if wanted.variables:
        with refusals():
            write_private(state.variables, variables_text(wanted.variables, state.variables))


def check(text: str, wanted: Wanted) -> Account:
    """What was written is read as a start would read it."""
    import yaml

    (row,) = yaml.safe_load(text)["accounts"]
    return parse(Account, row, Path(f"accounts.yaml of {wanted.account}"))


def accounts_text(wanted: Wanted) -> str:
    """accounts.yaml, with a reason for each line."""
    strategy = wanted.strategy
    most = strategy.risk_parameters.max_leverage
    leverage = min(Decimal(USUAL_LEVERAGE), Decimal(str(most)))
    rows = [
        (f"account_id: {wanted.account}", "its name in commands and in the API"),
        ("name: On paper", "for people; nothing depends on it"),
        ("mode: paper", "paper money; real money needs seven things at once (docs/live.md)"),
        ("venue: paper", "fees and filters are in venues/paper.yaml beside this file"),
        ("margin_mode: isolated", "a position can lose its own margin and no more; or cross"),
        (f'initial_balance: "{wanted.balance}"', "dollars it begins with; quoted, so that it passes through no float"),
        (f"symbols: [{', '.join(wanted.symbols)}]", "what it trades, and what a run plays"),
        (f"strategy_id: {strategy.strategy_id}", f"limits and prompt are in strategies/{strategy.strategy_id}.yaml"),
        (f'max_position_size: "{wanted.balance}"', "value of one position at most, in dollars"),
        (f'leverage: "{leverage:f}"', f"at most; the strategy allows {most:g}"),
    ]
    width = max(len(line) for line, _ in rows)
    lines = [f"{'  - ' if n == 0 else '    '}{line:<{width}}  # {why}" for n, (line, why) in enumerate(rows)]
    head = (
        "# Written by `perpetua init`; change what you like. A change reaches the account at the next start\n"
        "# (docs/strategies.md). Below `accounts` each `- account_id` begins another one.\n"
    )
    return f"{head}accounts:\n" + "\n".join(lines) + "\n"


def variables_text(variables: Mapping[str, str], file: Path) -> str:
    """With what else stands in the file."""
    before = file.read_text(encoding="utf-8").splitlines(keepends=True) if file.exists() else []
    kept = "".join(line for line in before if line.partition("=")[0].strip() not in variables)
    head = kept or (
        "# Written by `perpetua init`, for its owner only: set for whatever runs with this state folder, unless the\n"
        "# environment says otherwise. NAME=value, one a line; .env.example names all that there are.\n"
    )
    return head + "".join(f"{name}={value}\n" for name, value in variables.items())
