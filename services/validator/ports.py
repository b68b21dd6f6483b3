"""What the validator needs from outside."""

from dataclasses import dataclass
from typing import Protocol

from libs.risk.marks import Mark
from libs.risk.values import Judgement
from libs.runtime.clock import Clock
from libs.schemas.account import Account, AccountState
from libs.schemas.strategy import TradingStrategy
from libs.schemas.venue import VenueSymbol


class ValidatorConfiguration(Protocol):
    """Accounts, strategies and venue filters as configured now."""

    def account(self, account_id: str) -> Account | None: ...
    def strategy(self, strategy_id: str, version: int | None = None) -> TradingStrategy | None: ...
    def venue_symbol(self, venue: str, symbol: str) -> VenueSymbol | None: ...


class ValidatorStates(Protocol):
    """Last known state of each account."""

    def get(self, account_id: str) -> AccountState | None: ...


class Marks(Protocol):
    """The newest tick of each symbol."""

    def get(self, symbol: str) -> Mark | None: ...


class ValidatorMeter(Protocol):
    """What operators see."""

    def judged(self, judgement: Judgement, seconds: float) -> None: ...
    def ended(self, event: str, outcome: str) -> None:
        """A proposal ended: which terminal event, and its status or reason."""


@dataclass(frozen=True, slots=True)
class Deps:
    """`max_tick_age` is in market seconds, `mirror_wait` in wall seconds."""

    configuration: ValidatorConfiguration
    states: ValidatorStates
    marks: Marks
    clock: Clock
    meter: ValidatorMeter
    max_tick_age: float = 45.0
    mirror_wait: float = 2.0
    concurrency: int = 8
