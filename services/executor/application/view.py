"""What one account sees of the world: quotes and rules of its symbols, and the bounds that it trades within."""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from libs.perps.steps import at_price
from services.executor.application.board import Board
from services.executor.domain.bands import Band, band
from services.executor.domain.book import AccountBook
from services.executor.domain.quote import Market, SymbolRules, rules_of
from services.executor.domain.trading import TradingBounds
from services.executor.ports import BookDeps


class VenueView:
    """Rules are built once and kept while the configuration does not change."""

    def __init__(self, deps: BookDeps, board: Board) -> None:
        self._deps = deps
        self._board = board
        self._rules: dict[str, SymbolRules] = {}

    def symbols(self, book: AccountBook) -> set[str]:
        """Everything that the account may trade or holds."""
        config = self._deps.config.account(book.account_id)
        return {*book.concerned, *(config.symbols if config else ())}

    def market(self, book: AccountBook) -> Market:
        """The newest quotes and the rules, now."""
        symbols = self.symbols(book)
        quotes = {s: quote for s in symbols if (quote := self._board.quote(s)) is not None}
        midnights = {s: quote for s in symbols if (quote := self._board.midnight(s)) is not None}
        return Market(quotes, self._rules_of(book, symbols), self._deps.clock.now(), self._deps.refuses, midnights)

    def bands(self, book: AccountBook) -> dict[str, Band]:
        """At which prices a tick matters to the account; none does of what it held, but its funding may yet be told."""
        return {s: band(book, s, r.filters) for s, r in self._rules_of(book, book.concerned).items()}

    def bounds(self, book: AccountBook) -> TradingBounds:
        """What moves its trading state: the daily loss is its strategy's."""
        config = self._deps.config.account(book.account_id)
        strategy = self._deps.config.strategy(config.strategy_id) if config else None
        loss = Decimal(str(strategy.risk_parameters.max_daily_loss)) if strategy else None
        return replace(self._deps.bounds, max_daily_loss=loss)

    def _rules_of(self, book: AccountBook, symbols: Iterable[str]) -> dict[str, SymbolRules]:
        """By symbol, with steps that fit its newest price."""
        wanted = set(symbols)
        for symbol in wanted:
            filters = self._deps.config.venue_symbol(book.venue, symbol)
            if filters is None:
                continue
            quote = self._board.quote(symbol) if book.mode == "paper" else None
            fitting = filters if quote is None else at_price(filters, quote.price)
            known = self._rules.get(symbol)
            if known is None or (known.filters is not fitting and known.filters != fitting):
                self._rules[symbol] = rules_of(fitting)
        return {s: self._rules[s] for s in wanted if s in self._rules}
