"""The one judge of decisions, asked by the validator, the executor, the API and replay alike."""

from dataclasses import replace
from datetime import datetime

from libs.perps.steps import at_price
from libs.risk.case import Book, Caps, Case, Row, exact, kind_of
from libs.risk.entries import judge_entry
from libs.risk.exits import judge_exit
from libs.risk.portfolio import PORTFOLIO_RULES
from libs.risk.structure import EXITS, STRUCTURE_RULES
from libs.risk.values import AccountView, Judgement, Limits
from libs.schemas.decision import Facts, TradingDecision


def judge(
    decision: TradingDecision,
    facts: Facts,
    account: AccountView,
    limits: Limits,
    now: datetime,
    *,
    expires_at: datetime,
    proposed: Facts | None = None,
) -> Judgement:
    """One verdict per row: structure first, then exits, then entries by confidence against what is left.

    Entries of equal confidence go in the order of their symbols, so that the order of the rows decides nothing.

    `facts` is the market as the caller knows it at `now` (market time), `proposed` as the decision saw it. Nothing is
    raised for a bad decision: every refusal is a verdict with receipts.
    """
    limits = _at_their_prices(limits, facts)
    rows = [Row(ask, kind_of(ask)) for ask in decision.decisions]
    case = Case(
        facts, account, limits, Caps.of(limits, account), now, expires_at, proposed, _entries(rows), _apart(facts)
    )
    checked = sum(_structure(row, case) for row in rows)
    book = Book.of(case)
    passed = [row for row in rows if not row.denied]
    for row in sorted((row for row in passed if row.kind in EXITS), key=lambda row: EXITS.index(row.kind)):
        checked += judge_exit(row, book, case)
    for row in sorted(
        (row for row in passed if row.kind == "entry"), key=lambda row: (-(row.ask.confidence or 0.0), row.ask.asset)
    ):
        checked += judge_entry(row, book, case)
    portfolio = tuple(receipt for rule in PORTFOLIO_RULES if (receipt := rule(decision)) is not None)
    return Judgement(tuple(row.verdict() for row in rows), portfolio, checked + len(PORTFOLIO_RULES))


def _at_their_prices(limits: Limits, facts: Facts) -> Limits:
    """The limits with steps that fit the prices, as the venue has them."""
    prices = {symbol: exact(seen.last) for symbol, seen in facts.assets.items() if symbol in limits.venue}
    fitting = {symbol: at_price(limits.venue[symbol], price) for symbol, price in prices.items()}
    return replace(limits, venue={**limits.venue, **fitting})


def _entries(rows: list[Row]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for row in rows:
        if row.kind == "entry":
            counts[row.ask.asset] = counts.get(row.ask.asset, 0) + 1
    return counts


def _apart(facts: Facts) -> dict[str, frozenset[str]]:
    """For each asset those that it is known not to move with."""
    found: dict[str, set[str]] = {}
    for pair, together in (facts.correlated or {}).items():
        if not together:
            one, other = pair.split("|")
            found.setdefault(one, set()).add(other)
            found.setdefault(other, set()).add(one)
    return {asset: frozenset(others) for asset, others in found.items()}


def _structure(row: Row, case: Case) -> int:
    for count, rule in enumerate(STRUCTURE_RULES, start=1):
        if receipt := rule(row, case):
            row.note(receipt)
            if row.denied:
                return count
    return len(STRUCTURE_RULES)
