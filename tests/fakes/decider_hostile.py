"""Answers that a hostile or broken model may write: a small grammar of what parsers stumble over, at any length."""

import random
import zlib
from functools import cache

from tests.fakes.model_server import Answer, Bytes, Raw, Script

WHOLE = (
    '{"decisions": [{"asset": "BTCUSDT", "action": "hold", "exit_plan": "x", "rationale": "y", "confidence": 50, '
    '"risk_level": "low"}], "portfolio_rationale": "z", "total_allocation_usd": 0, "portfolio_risk_level": "low"}'
)
# Each is repeated, alone or in turns, so that whatever is read anew from each of its signs shows.
ATOMS = (
    '"', "'", "\\", '\\"', "\\'", "\\\\", "/*", "*/", "//", "# ", "\n", " ", "\t", ",", ", ", ":", "{", "}", "[", "]",
    "{}", "[]", '{"a":', "[[", "```", "```json\n", "<think>", "</think>", "<think ", "<", "None", "True ", "'a'",
    '"a"', '"a\\"', '"a":1,', '"decisions"', '"decisions":', '{"decisions":', '{"decisions":1}', "\\u", "\\ud800",
    "\\ud83d\\ude00", "\ud800", "9", "1e9,", "-", "0.", "$", "$ ", "1 ", "é", "\u2028", "\x00", "％", "｛",
    '{"decisions":[{"asset":"A"}]}', "x,}", "null,",
)  # fmt: skip
HEADS = (
    "",
    "{",
    '{"decisions": "',
    '{"decisions": [',
    '{"decisions": [{"asset": "BTCUSDT", "tp_price": "',
    "```\n",
    "'",
)
TAILS = ("", "}", '"}', "]}", '"}]}', "\n```", WHOLE, "*/", "x")


def grown(atoms: tuple[str, ...], length: int, head: str = "", tail: str = "") -> str:
    """A text of about this length: the atoms in turns between head and tail."""
    turn = "".join(atoms)
    return head + turn * max(1, (length - len(head) - len(tail)) // len(turn)) + tail


def answer(seed: int, longest: int) -> str:
    """One hostile answer; lengths are even on a logarithmic scale from 100 signs to `longest`. Some number their atoms,
    so that no two of them are the same, some are a jumble."""
    dice = random.Random(seed)
    length = int(100 * (longest / 100) ** dice.random())
    atoms = tuple(dice.choice(ATOMS) for _ in range(dice.randint(1, 4)))
    head, tail = dice.choice(HEADS), dice.choice(TAILS)
    kind = dice.random()
    if kind < 0.6:
        return grown(atoms, length, head, tail)
    if kind < 0.8:
        piece = dice.choice(('{"decisions":#}', '"k#":1,', "".join(atoms) + "#"))
        return head + "".join(piece.replace("#", str(n)) for n in range(length // (len(piece) + 4))) + tail
    size = sum(map(len, ATOMS)) / len(ATOMS)
    return head + "".join(dice.choices(ATOMS, k=int(length / size))) + tail


@cache
def bomb(megabytes: int = 250) -> bytes:
    """A gzip of so many megabytes of blanks; a thousandth on the wire."""
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    block = b" " * 1_000_000
    return b"".join(packer.compress(block) for _ in range(megabytes)) + packer.flush()


def heavy() -> dict[str, Script]:
    """Answers that hold a reader for seconds or minutes if it lets them."""
    return {
        "a-string-that-never-ends": Answer('{"decisions": "' + '\\"' * 24_500),
        "comments-that-never-end": Answer('{"decisions": ' + "/*" * 24_500),
        "a-bomb": Bytes(bomb(), {"content-encoding": "gzip"}),
        "a-body-nested-deep": Raw('{"a":' * 100_000 + "1" + "}" * 100_000),
        "lists-nested-deep": Raw("[" * 100_000),
        "a-body-without-end": Bytes(b" " * 20_000_000),
        "tags-in-tags": Answer("<think>" * 7_000 + WHOLE),
        "many-decisions": Answer("".join(f'{{"decisions":{n}}}' for n in range(2_500))),
    }
