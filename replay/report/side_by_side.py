"""The page of several runs side by side."""

from collections.abc import Iterator, Sequence
from itertools import accumulate

from replay.compare import ComparedAccount, RunComparison
from replay.report.charts import COLOURS, ChartLine, line_chart
from replay.report.page import page
from replay.report.tables import overview
from replay.report.text import paragraph, percent, section, table, told
from replay.report.words import difference_in_words


def comparison_page(comparison: RunComparison) -> str:
    accounts = comparison.accounts
    said = "".join(paragraph(sentence) for sentence in comparison_in_words(comparison))
    lines = [ChartLine(account.name, _grown(account), n) for n, account in enumerate(accounts[:COLOURS])]
    named = [{**account.row, "account_id": account.name} for account in accounts]
    body = (
        f"<h1>{told(len(accounts))} accounts side by side</h1>",
        section("What the comparison allows to say", said),
        section("Equity in the hours that all have", line_chart(accounts[0].times, lines)),
        section("Figures, each of its whole run", overview(named)),
        section(f"Beside {accounts[0].name}", table(("", "bps an hour", "95 % interval", "by luck"), _rows(accounts))),
    )
    return page("Runs side by side", "".join(body))


def comparison_in_words(comparison: RunComparison) -> Iterator[str]:
    first = comparison.accounts[0].name
    for account in comparison.accounts[1:]:
        if account.beside is not None:
            yield f"{account.name}: {difference_in_words(account.beside, first)}"
    if comparison.deflated is not None:
        yield (
            f"The best of {len(comparison.accounts)} is {comparison.best}. The probability that its true Sharpe ratio"
            f" is above what the best of so many shows by luck is {percent(comparison.deflated)} (deflated)."
        )
    if comparison.overfitting is not None:
        yield (
            "The probability that whichever is best in one half of the time is among the lower half of them in the"
            f" other is {percent(comparison.overfitting)} (backtest overfitting)."
        )


def _rows(accounts: Sequence[ComparedAccount]) -> Iterator[Sequence[str]]:
    for account in accounts[1:]:
        told_of = account.beside or {}
        if told_of.get("mean_bps") is None:
            yield (told(account.name), "too short to tell", "", "")
        else:
            bounds = f"{told_of['low_bps']:+.2f} to {told_of['high_bps']:+.2f}"
            yield (told(account.name), f"{told_of['mean_bps']:+.2f}", bounds, percent(told_of["luck"]))


def _grown(account: ComparedAccount) -> list[float]:
    grown = accumulate(account.returns, lambda worth, step: worth * (1 + step), initial=1.0)
    return [(worth - 1) * 100 for worth in grown]
