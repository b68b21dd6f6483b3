"""A run that only waits is asked seldom, and one whose market moves at every look."""

from cli.ask.looks import QUIET_LOOKS, RARELY, SELDOM, QuietLooks


def looked(looks: QuietLooks, moves: list[bool]) -> str:
    """Of each look: not asked, asked whether the market moves, or asked for all."""
    return "".join("." if not looks.asks() else "all" if looks.moved(move) else "m" for move in moves)


def test_a_market_that_moves_is_asked_for_all_at_every_look() -> None:
    assert looked(QuietLooks(), [True] * 40) == "all" * 40


def test_a_quiet_market_is_asked_every_fifth_look_and_for_all_at_every_thirtieth() -> None:
    told = looked(QuietLooks(), [False] * (3 * RARELY + 1)).replace("all", "A")
    assert told[: QUIET_LOOKS + 1] == "A" * (QUIET_LOOKS + 1)
    later = {n: look for n, look in enumerate(told) if n > QUIET_LOOKS and look != "."}
    assert sorted(later) == list(range(QUIET_LOOKS + SELDOM, len(told), SELDOM))
    assert [n for n, look in later.items() if look == "A"] == [RARELY, 2 * RARELY, 3 * RARELY]


def test_the_first_move_brings_every_look_back() -> None:
    looks = QuietLooks()
    looked(looks, [False] * (QUIET_LOOKS + SELDOM))
    assert looked(looks, [True, False, False]) == "all" * 3
