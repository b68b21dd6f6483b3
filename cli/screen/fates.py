"""What would become of messages, in lines."""

import json
from collections import Counter
from collections.abc import Sequence

from cli.ask.publications import Audience
from cli.ask.rehearsal import Fate, FateKind

SHOWN = 40
_MEANT = {
    FateKind.REFUSED: "by the bus, or put aside as dead letters",
    FateKind.DUPLICATE: "change nothing",
    FateKind.FOREIGN: "of symbols that no account trades",
    FateKind.UNHEARD: "not listened to",
    FateKind.HELD: "wait for the next tick",
    FateKind.DROPPED: "dropped, no tick confirmed them",
    FateKind.LATE: "come too late",
}


def told(fates: Sequence[Fate]) -> list[str]:
    """A line for each that is not simply accepted, as many as a screen takes, and one for each way of ending."""
    notable = [fate for fate in fates if fate.kind is not FateKind.ACCEPTED or fate.said]
    lines = [_line(fate) for fate in notable[:SHOWN]]
    if len(notable) > SHOWN:
        lines.append(f"and {len(notable) - SHOWN} more; --json tells of each message")
    counts = Counter(fate.kind for fate in fates)
    totals = [f"{counts[FateKind.ACCEPTED]} of {len(fates)} accepted"]
    totals += [f"{counts[kind]} {kind}: {meant}" for kind, meant in _MEANT.items() if counts[kind]]
    return lines + ([""] if lines else []) + totals


def told_of(audience: Audience, stale: Sequence[str], max_age: float) -> list[str]:
    """What was assumed, and what the messages alone do not bring about."""
    clock = audience.clock
    market = f"beside {len(audience.heard)} messages of the log" if audience.heard else "on an empty market"
    lines = [f"judged at market time {clock.now():%Y-%m-%d %H:%M:%S} UTC, {market}"]
    if stale:
        names = ", ".join(stale[:10]) + (" …" if len(stale) > 10 else "")
        lines.append(f"no decision on {names}: the newest tick is older than {max_age:g} s")
    return lines


def as_json(fate: Fate) -> str:
    """One message for programs."""
    about = {"line": fate.line, "subject": fate.subject, "fate": fate.kind, "code": fate.code, "field": fate.wrong}
    return json.dumps({**about, "said": fate.said}, ensure_ascii=False)


def _line(fate: Fate) -> str:
    first, *others = fate.said
    if fate.wrong and not first.startswith(f"{fate.wrong}:"):
        first = f"{fate.wrong}: {first}"
    if fate.code:
        first = f"{first} ({fate.code})"
    return f"line {fate.line:<5} {fate.kind!s:<9} {fate.subject}  {'; '.join([first, *others])}"
