"""The configuration of a replay: what people set, as it stays from the first moment to the last."""

from collections.abc import Iterable, Mapping

from libs.schemas.account import Account
from libs.schemas.experiment import Experiment
from libs.schemas.models import ModelsConfig
from libs.schemas.strategy import TradingStrategy
from libs.schemas.venue import ANY_SYMBOL, VenueSymbol


class ReplayConfiguration:
    """Accounts, strategies and the venue's rules."""

    def __init__(
        self, accounts: Iterable[Account], strategies: Iterable[TradingStrategy], venue: Iterable[VenueSymbol]
    ) -> None:
        self._accounts: dict[str, Account] = {account.account_id: account for account in accounts}
        self._strategies: dict[str, TradingStrategy] = {s.strategy_id: s for s in strategies}
        self._venue = {(rules.venue, rules.symbol): rules for rules in venue}

    def of(self, account: Account) -> "ReplayConfiguration":
        """The same with one account alone: what is due of it is asked without a look at all others."""
        return ReplayConfiguration((account,), self._strategies.values(), self._venue.values())

    @property
    def accounts(self) -> Mapping[str, Account]:
        return self._accounts

    @property
    def strategies(self) -> Mapping[str, TradingStrategy]:
        return self._strategies

    @property
    def experiments(self) -> Mapping[str, Experiment]:
        return {}

    @property
    def models(self) -> ModelsConfig | None:
        return None

    def account(self, account_id: str) -> Account | None:
        return self._accounts.get(account_id)

    def strategy(self, strategy_id: str, version: int | None = None) -> TradingStrategy | None:
        known = self._strategies.get(strategy_id)
        return known if known is not None and version in (None, known.version) else None

    def venue_symbol(self, venue: str, symbol: str) -> VenueSymbol | None:
        """As the workers' mirror: where a symbol has no rules of its own, those that the venue has for any."""
        known = self._venue.get((venue, symbol))
        if known is None and (shared := self._venue.get((venue, ANY_SYMBOL))) is not None:
            known = self._venue[venue, symbol] = shared.model_copy(update={"symbol": symbol})
        return known
