"""Accounts, their states and strategies from the live copies of the KV buckets."""

from libs.configuration.mirror import ConfigMirror, StateMirror
from libs.schemas.account import Account, AccountState
from libs.schemas.strategy import TradingStrategy
from libs.schemas.venue import VenueSymbol


class KvAccounts:
    def __init__(self, config: ConfigMirror, states: StateMirror) -> None:
        self._config = config
        self._states = states

    def account(self, account_id: str) -> Account | None:
        return self._config.account(account_id)

    def accounts(self) -> list[Account]:
        return list(self._config.accounts.values())

    def state(self, account_id: str) -> AccountState | None:
        return self._states.get(account_id)

    def strategy(self, strategy_id: str) -> TradingStrategy | None:
        return self._config.strategy(strategy_id)

    def strategies(self) -> list[TradingStrategy]:
        return list(self._config.strategies.values())

    def venue_symbol(self, venue: str, symbol: str) -> VenueSymbol | None:
        return self._config.venue_symbol(venue, symbol)
