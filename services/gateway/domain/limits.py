"""Rates: how often a key may call, how often a decision may be asked for, how often a wrong key may be tried."""

from dataclasses import dataclass

WINDOW_S = 60
WRONG_KEYS = 30  # of one address in a minute; more are not looked at
MOST_ADDRESSES = 10_000


@dataclass(frozen=True, slots=True)
class Rates:
    """Requests in a minute: of one key, and decisions of one account and symbol. Streams at once of this process."""

    of_key: int = 12_000
    of_symbol: int = 600
    streams: int = 2_000


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of a window after this request; below zero it was one too many."""

    limit: int
    left: int
    reset_s: int

    @property
    def granted(self) -> bool:
        return self.left >= 0

    def headers(self) -> dict[str, str]:
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(max(0, self.left)),
            "RateLimit-Reset": str(self.reset_s),
        }


def window(now: float) -> tuple[int, int]:
    """The number of the minute that wall time `now` (seconds) is in, and the seconds until it ends."""
    number = int(now // WINDOW_S)
    return number, max(1, round((number + 1) * WINDOW_S - now))


class Windows:
    """Counts of the present minute in this process. Those of earlier ones are forgotten."""

    def __init__(self) -> None:
        self._number = 0
        self._counts: dict[str, int] = {}

    def take(self, what: str, limit: int, now: float) -> Allowance:
        number, left_s = window(now)
        if number != self._number:
            self._number, self._counts = number, {}
        count = self._counts[what] = self._counts.get(what, 0) + 1
        return Allowance(limit, limit - count, left_s)


class Brake:
    """Wrong keys by the address that they come from. Right keys from the same address are not hindered."""

    def __init__(self, limit: int = WRONG_KEYS) -> None:
        self._limit = limit
        self._number = 0
        self._wrong: dict[str, int] = {}

    def wrong(self, address: str, now: float) -> int | None:
        """Count one; the seconds to wait where there were too many."""
        number, left_s = window(now)
        if number != self._number or len(self._wrong) > MOST_ADDRESSES:
            self._number, self._wrong = number, {}
        count = self._wrong[address] = self._wrong.get(address, 0) + 1
        return left_s if count > self._limit else None
