"""Answers that a hostile or broken model may write: a small grammar of what parsers stumble over, grown to any length."""

import random

WHOLE = (
    '{"decisions": [{"asset": "BTCUSDT", "action": "hold", "exit_plan": "x", "rationale": "y", "confidence": 50, '
    '"risk_level": "low"}], "portfolio_rationale": "z", "total_allocation_usd": 0, "portfolio_risk_level": "low"}'
)
# Each is repeated, alone or in turns, so that whatever is read anew from each of its signs shows.
ATOMS = (
    '"', "'", "\\", '\\"', "\\'", "\\\\", "/*", "*/", "//", "# ", "\n", " ", "\t", ",", ", ", ":", "{", "}", "[", "]", "{}",
    "[]", '{"a":', "[[", "```", "```json\n", "<think>", "</think>", "<think ", "<", "None", "True ", "'a'", '"a"', '"a\\"',
    '"a":1,', '"decisions"', '"decisions":', '{"decisions":', '{"decisions":1}', "\\u", "\\ud800", "\\ud83d\\ude00", "\ud800",
    "9", "1e9,", "-", "0.", "$", "$ ", "1 ", "é", "\u2028", "\x00", "％", "｛", '{"decisions":[{"asset":"A"}]}', "x,}", "null,",
)  # fmt: skip
HEADS = ("", "{", '{"decisions": "', '{"decisions": [', '{"decisions": [{"asset": "BTCUSDT", "tp_price": "', "```json\n", "'")
TAILS = ("", "}", '"}', "]}", '"}]}', "\n```", WHOLE, "*/", "x")


def grown(atoms: tuple[str, ...], head: str, tail: str, length: int) -> str:
    """A text of about this length: the atoms in turns between head and tail."""
    turn = "".join(atoms)
    return head + turn * max(1, (length - len(head) - len(tail)) // len(turn)) + tail


def answer(seed: int, longest: int = 1_000_000) -> str:
    """One hostile answer; lengths are even on a logarithmic scale from 100 signs to `longest`. Some number their atoms,
    so that no two of them are the same."""
    dice = random.Random(seed)
    length = int(100 * (longest / 100) ** dice.random())
    kind = dice.random()
    atoms = tuple(dice.choice(ATOMS) for _ in range(dice.randint(1, 4)))
    head, tail = dice.choice(HEADS), dice.choice(TAILS)
    if kind < 0.6:
        return grown(atoms, head, tail, length)
    if kind < 0.8:
        piece = '{"decisions":%d}' if kind < 0.65 else '"k%d":1,' if kind < 0.72 else "".join(atoms).replace("%", "") + "%d"
        return head + "".join(piece % n for n in range(length // (len(piece) + 4))) + tail
    size = sum(map(len, atoms)) + 1
    return head + "".join(dice.choice(ATOMS) for _ in range(length * len(atoms) // size)) + tail
