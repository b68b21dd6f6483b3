"""What the statistics of a run allow to say, in sentences."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from replay.report.text import figure, percent

BASELINES = (("against_flat", "holding nothing"), ("against_equal_weight", "holding all in equal parts"))
FEW_TRADES = 30
SURE = 0.95


def account_in_words(row: Mapping[str, Any]) -> list[str]:
    """Of an account's row in the summary."""
    return [*_money(row), *(_beside(row[name], words) for name, words in BASELINES), *_skill(row), *_entries(row)]


def days(hours: float) -> str:
    whole = round(hours / 24)
    return f"{whole:,} days" if whole > 1 else f"{round(hours)} hours"


def difference_in_words(told: Mapping[str, Any], other: str) -> str:
    """`told` as of replay.statistics.difference."""
    if told["mean_bps"] is None:
        return f"Beside {other} the run is too short to tell."
    seen = (
        f"{told['mean_bps']:+.2f} basis points an hour, with 95 % confidence between {told['low_bps']:+.2f}"
        f" and {told['high_bps']:+.2f}"
    )
    luck = f"Were there no difference, {percent(told['luck'])} of such stretches would show one at least this large."
    if told["verdict"] != "no difference shown":
        return f"It was {told['verdict']} than {other}: {seen}. {luck}"
    more = told["hours_more"]
    needed = f" It would take about {days(more)} more to tell." if more else " It is too small to wait for."
    return f"No difference from {other} is shown: {seen}. {luck}{needed}"


def _beside(told: Mapping[str, Any], other: str) -> str:
    return difference_in_words(told, other)


def _money(row: Mapping[str, Any]) -> Iterator[str]:
    stats = row["statistics"]
    costs = float(row["fees"]) - float(row["funding"])
    gross = float(row["equity"]) - float(row["initial_balance"]) + costs
    yield (
        f"The account made {row['return_pct']:+.2f} %; its deepest fall was {stats['max_drawdown_pct']:.2f} %,"
        f" its longest time below a peak {days(stats['max_drawdown_hours'])}."
    )
    if costs > 0:
        yield (
            f"Fees and funding took {figure(costs)}; without them it would have made {figure(gross, sign=True)}"
            f" ({stats['turnover']:.1f} times its equity was traded)."
        )


def _skill(row: Mapping[str, Any]) -> Iterator[str]:
    stats = row["statistics"]
    if stats["trades"] < FEW_TRADES:
        yield f"{stats['trades']} trades are few: win rate and profit factor say little."
    deflated, trials = stats["deflated_sharpe"], stats["trials"]
    if deflated is not None:
        tried = "this one run" if trials == 1 else f"the best of {trials} runs that were tried"
        shown = "That is enough to speak of skill." if deflated >= SURE else "Less than 95 % is no proof of skill."
        yield (
            f"The probability that the true Sharpe ratio of {tried} is above what luck gives is {percent(deflated)}"
            f" (deflated Sharpe ratio). {shown}"
        )


def _entries(row: Mapping[str, Any]) -> Iterator[str]:
    told = row["judged"]
    four = told["accuracy"]["4h"]
    if four["share"] is None:
        return
    side = _side(four)
    yield (
        f"Of {four['decisions']:,} wanted entries {percent(four['share'])} were right after four hours (95 % between"
        f" {percent(four['low'])} and {percent(four['high'])}, wider where entries overlap): {side}."
    )
    brier = told["calibration"]["brier"]
    if brier is not None:
        worth = "better" if brier < 0.25 else "no better"
        yield f"The Brier score of their confidence is {brier:.3f}: {worth} than saying 50 % each time (0.250)."


def _side(share: Mapping[str, Any]) -> str:
    if share["low"] > 0.5:
        return "more often than a coin"
    return "less often than a coin" if share["high"] < 0.5 else "not told from a coin"


def market_in_words(baselines: Mapping[str, Any]) -> str:
    each: Sequence[str] = [f"{symbol} {change:+.2f} %" for symbol, change in baselines["buy_and_hold"].items()]
    return f"Held from beginning to end: {', '.join(each)}; all in equal parts {baselines['equal_weight']:+.2f} %."
