"""The decisions of an account: what was wanted and why, what the rules said, what came of it."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from replay.report.folder import Row, RunRead
from replay.report.text import coloured, figure, told

MOST = 400
PROMPTS = 1_500_000  # characters of prompts and answers in one report: it stays a page that can be sent
NO_PROMPT = "No prompt: the policy reads the context itself."


class DecisionList:
    """The list of one report; prompts are shown until there are too many of them."""

    def __init__(self, run: RunRead) -> None:
        self._run = run
        self._room = PROMPTS

    def of(self, account_id: str) -> str:
        every = self._run.decisions.get(account_id, ())
        trades: defaultdict[str, list[Row]] = defaultdict(list)
        for trade in self._run.trades.get(account_id, ()):
            trades[trade["decision_id"]].append(trade)
        rows = chosen(every, set(trades))
        said = f"<p class='muted'>{len(every):,} decisions wanted more than a hold"
        said += f"; {len(rows):,} are shown, all are in decisions.jsonl.</p>" if len(rows) < len(every) else ".</p>"
        return said + "".join(self._entry(row, trades.get(row["decision_id"], ())) for row in rows)

    def _entry(self, row: Row, trades: Sequence[Row]) -> str:
        at = datetime.fromisoformat(row["at"])
        wished = ", ".join(f"{verdict['action'].replace('_', ' ')} {verdict['asset']}" for verdict in row["verdicts"])
        made = f" {coloured(sum(float(trade['pnl']) for trade in trades))}" if trades else ""
        head = f"{at:%d %b %H:%M} {told(wished)}<span class='tag'>{told(row['end'])}</span>{made}"
        parts = [f"<p>{told(row['rationale'])}</p>", *(self._verdict(row, verdict) for verdict in row["verdicts"])]
        parts += [_became(trade) for trade in trades]
        return f"<details><summary>{head}</summary>{''.join(parts)}{self._prompt(row['decision_id'])}</details>"

    def _verdict(self, row: Row, verdict: Row) -> str:
        price = row["prices"].get(verdict["asset"])
        sizes = [(words, verdict[name], digits) for name, words, digits in SIZES if name in verdict]
        figures = [f"{words} {figure(value, digits)}" for words, value, digits in sizes]
        if verdict.get("confidence") is not None:
            figures.insert(0, f"confidence {verdict['confidence']:.0f} %")
        reasons = f" ({', '.join(verdict['reasons'])})" if verdict["reasons"] else ""
        asset, action = told(verdict["asset"]), told(verdict["action"].replace("_", " "))
        judged = told(f"{verdict['verdict']}{reasons}. {'; '.join(figures)}")
        why = told(verdict.get("why", ""))
        return f"<p><b>{asset} {action}</b> at {price}: {judged}<br>{why}{self._after(row, verdict)}</p>"

    def _after(self, row: Row, verdict: Row) -> str:
        became = self._run.outcomes.get((row["decision_id"], verdict["asset"]))
        if became is None:
            return ""
        shown = ", ".join(f"{name} {coloured(became[name], 2, ' %')}" for name in ("1h", "4h", "24h"))
        return f"<br><span class='muted'>afterwards: {shown}</span>"

    def _prompt(self, decision_id: str) -> str:
        calls = self._run.calls.get(decision_id, ())
        if not calls:
            return ""
        text = "\n\n".join(_call(call) for call in calls)
        if len(text) > self._room:
            return "<p class='muted'>Prompt and answer are in calls.jsonl.</p>"
        self._room -= len(text)
        return f"<pre>{told(text)}</pre>"


SIZES = (
    ("asked_usd", "margin asked for", 2),
    ("notional", "notional", 2),
    ("leverage", "leverage", 1),
    ("stop", "stop", 4),
    ("target", "target", 4),
)


def chosen(rows: Sequence[Row], traded: set[str]) -> Sequence[Row]:
    """Those that led to a trade first, then others, in order of time."""
    if len(rows) <= MOST:
        return rows
    ranked = sorted(range(len(rows)), key=lambda n: (rows[n]["decision_id"] not in traded, n))
    return [rows[n] for n in sorted(ranked[:MOST])]


def _became(trade: Row) -> str:
    closed = datetime.fromisoformat(trade["closed_at"])
    return (
        f"<p>It opened {told(trade['side'])} {told(trade['symbol'])} at {float(trade['entry_price']):g}, closed at"
        f" {float(trade['exit_price']):g} on {closed:%d %b %H:%M} by {told(trade.get('reason', 'a decision'))}:"
        f" {coloured(trade['pnl'])} after fees of {figure(trade['fees'])} and funding of"
        f" {figure(trade['funding'], sign=True)}.</p>"
    )


def _call(call: Row) -> str:
    cost = "unknown cost" if call["cost_usd"] is None else f"{call['cost_usd']:.5f} USD"
    kept = ", from the cache" if call["cached"] else ""
    return (
        f"{call['model']}: {call['outcome']}, {cost}{kept}\n\n[system]\n{call['system']}\n\n[prompt]\n{call['prompt']}"
        f"\n\n[answer]\n{call['answer'] or ''}"
    )
