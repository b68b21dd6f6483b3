"""A chain of seals: each over the one before, over messages as they were; whatever is altered is told."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from libs.invariants import seals
from libs.invariants.seals import (
    Announced,
    Seal,
    SealedMessage,
    SealedStreams,
    SealHead,
    StoredSeal,
    history_is_sealed,
    next_seal,
    seal_of,
)


def message(stream: str, sequence: int, body: str = "", account: str = "a") -> SealedMessage:
    return SealedMessage(stream, sequence, account, seals.message_digest(f"x.y.{account}", body.encode()))


MESSAGES = (message("DECISIONS", 3), message("ORDERS", 2), message("DECISIONS", 7), message("ORDERS", 9))


@dataclass
class Kept:
    """Two seals of one account, and the log under them."""

    chain: list[StoredSeal] = field(default_factory=list)
    log: SealedStreams = field(default_factory=SealedStreams)
    heads: list[Announced] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.log.messages = {one.place: one for one in MESSAGES}
        self.log.first = {"DECISIONS": 1, "ORDERS": 1}
        first = next_seal("a", SealHead(), MESSAGES[:2], {"DECISIONS": 5, "ORDERS": 5}, "t1")
        assert first is not None
        second = next_seal("a", first.head, MESSAGES, {"DECISIONS": 8, "ORDERS": 9}, "t2")
        assert second is not None
        self.chain = [StoredSeal(one, one.digest) for one in (first, second)]
        self.heads = [Announced("a", one.number, one.digest) for one in (first, second)]

    def altered(self, n: int, *, anew: bool = False, **fields: object) -> None:
        seal = replace(self.chain[n].seal, **fields)  # type: ignore[arg-type]
        self.chain[n] = StoredSeal(seal, seal.digest if anew else self.chain[n].digest)

    def check(self) -> list[str]:
        found = history_is_sealed(self.chain, self.log, self.heads)
        return [f"{breach.about}: {breach.said}" for breach in found.breaches]


def test_a_history_that_nobody_touched_is_what_was_sealed() -> None:
    check = history_is_sealed(Kept().chain, Kept().log, Kept().heads)
    assert (check.status, check.breaches, check.moving, check.expired) == ("holds", (), 0, 0)
    assert [m.place for one in Kept().chain for m in one.seal.messages] == [
        ("DECISIONS", 3),
        ("ORDERS", 2),
        ("DECISIONS", 7),
        ("ORDERS", 9),
    ]


def rewritten(kept: Kept) -> None:
    """Whoever may write everything but AUDIT makes the whole chain anew."""
    kept.log.messages["DECISIONS", 3] = message("DECISIONS", 3, "kinder")
    kept.altered(0, anew=True, messages=(message("DECISIONS", 3, "kinder"), MESSAGES[1]))
    kept.altered(1, anew=True, before=kept.chain[0].digest)


ALTERED: list[tuple[str, Callable[[Kept], object], str]] = [
    ("a message", lambda k: k.log.messages.update({("ORDERS", 2): message("ORDERS", 2, "x")}), "not what was sealed"),
    ("a message is gone", lambda k: k.log.messages.pop(("ORDERS", 9)), "a ORDERS 9: sealed, and gone from the log"),
    ("one was put in", lambda k: k.log.messages.update({("ORDERS", 4): message("ORDERS", 4)}), "there is nothing"),
    ("a seal", lambda k: k.altered(0, at="t0"), "a 1: it is not what its digest says"),
    ("a seal, and its digest", lambda k: k.altered(0, anew=True, at="t0"), "a 2: it is not over the seal before it"),
    ("a seal is gone", lambda k: k.chain.pop(0), "a 2: seal 2 stands where seal 1 belongs"),
    ("the last is gone", lambda k: k.chain.pop(), "a 2: told as"),
    ("the whole chain, but for AUDIT", rewritten, "a 1: told as"),
]


@pytest.mark.parametrize(("what", "alter", "said"), ALTERED, ids=[what for what, _, _ in ALTERED])
def test_what_is_altered_is_told(what: str, alter: Callable[[Kept], object], said: str) -> None:
    kept = Kept()
    alter(kept)
    assert said in "\n".join(kept.check())


def test_what_left_the_log_is_expired_and_its_digest_stays() -> None:
    kept = Kept()
    kept.log.first["DECISIONS"] = 5
    del kept.log.messages["DECISIONS", 3]
    check = history_is_sealed(kept.chain, kept.log, kept.heads)
    assert (check.breaches, check.expired) == ((), 1)
    assert MESSAGES[0] in kept.chain[0].seal.messages


def test_what_came_after_the_last_seal_is_in_hand() -> None:
    kept = Kept()
    kept.log.messages["ORDERS", 12] = message("ORDERS", 12)
    kept.log.messages["ORDERS", 13] = message("ORDERS", 13, account="b")
    check = history_is_sealed(kept.chain, kept.log, kept.heads)
    assert (check.breaches, check.moving) == ((), 2)


def test_more_than_a_seal_takes_is_sealed_by_several_which_leave_nothing_out() -> None:
    many = [message(stream, n) for stream in ("DECISIONS", "ORDERS") for n in range(1, 6)]
    head, chain, through = SealHead(), list[Seal](), {"DECISIONS": 5, "ORDERS": 5}
    while seal := next_seal("a", head, many, through, "t", most=3):
        chain.append(seal)
        head = seal.head
    assert [len(one.messages) for one in chain] == [3, 3, 3, 1]
    assert chain[0].through == {"DECISIONS": 3, "ORDERS": 0}
    log = SealedStreams({one.place: one for one in many}, {"DECISIONS": 1, "ORDERS": 1})
    assert history_is_sealed([StoredSeal(one, one.digest) for one in chain], log, ()).breaches == ()


def test_a_seal_comes_back_from_its_json_as_it_was() -> None:
    seal = Kept().chain[1].seal
    assert seal_of(seal.wire()) == seal
    assert seal_of(seal.wire()).digest == seal.digest
