"""Where a client is in the log, and the newest events of the log in memory: one copy for all clients."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from services.gateway.domain.stream_events import LOGS, LoggedEvent

MOST_EVENTS = 8_192
MOST_BYTES = 32 * 1024 * 1024
Reached = tuple[int, ...]  # of each log the sequence up to which a client has had everything that is for it
_PLACE = re.compile(r"1\.(\d{1,18})\.(\d{1,18})\.(\d{1,18})\.(\d{1,18})\.([0-9a-f]{12})")
PLACE_PATTERN = rf"^{_PLACE.pattern}$"


@dataclass(frozen=True, slots=True)
class StreamPlace:
    """The id of an event: how far its client was, in each log and in the market, when it had had it.

    `epoch` tells the logs themselves apart, by four digits each: one that was made anew begins to count again.
    """

    reached: Reached
    market: int
    epoch: str

    def __str__(self) -> str:
        return f"1.{'.'.join(map(str, self.reached))}.{self.market}.{self.epoch}"

    def other_logs(self, epoch: str) -> tuple[int, ...]:
        """Numbers of the logs that are not those of this place."""
        digits = [slice(4 * log, 4 * log + 4) for log in range(len(LOGS))]
        return tuple(log for log, part in enumerate(digits) if self.epoch[part] != epoch[part])


def place_in(text: str) -> StreamPlace | None:
    """None for a text that is no id of ours."""
    match = _PLACE.fullmatch(text)
    if match is None:
        return None
    *reached, market = map(int, match.groups()[:-1])
    return StreamPlace(tuple(reached), market, match[5])


class Ring:
    """The newest events of all logs, in the order in which this process heard them, bounded by number and bytes.

    Every event has an index that only grows. `floor` is how far the logs were before the first one that is held.
    """

    def __init__(self, floor: Reached, most: int = MOST_EVENTS, most_bytes: int = MOST_BYTES) -> None:
        self._held: dict[int, tuple[LoggedEvent, Reached]] = {}
        self._most, self._most_bytes, self._bytes = most, most_bytes, 0
        self.floor = self.head = floor
        self.first = self.next = 0

    def append(self, event: LoggedEvent) -> bool:
        """False for one that its log has had already: the log is another than it was."""
        if event.sequence <= self.head[event.log]:
            return False
        self.head = _moved(self.head, event)
        self._held[self.next] = event, self.head
        self.next += 1
        self._bytes += len(event.body)
        while len(self._held) > self._most or (self._bytes > self._most_bytes and len(self._held) > 1):
            oldest, self.floor = self._held.pop(self.first)
            self.first += 1
            self._bytes -= len(oldest.body)
        return True

    def at(self, index: int) -> LoggedEvent:
        return self._held[index][0]

    def lacks(self, reached: Reached, log: int) -> bool:
        """Whether something after this place of a log may be gone from here."""
        return reached[log] < self.floor[log]

    def index_after(self, reached: Reached) -> int:
        """Of the first event beyond this place in any log; those before it, in between, its client has had."""
        low, high = self.first, self.next
        while low < high:
            middle = (low + high) // 2
            if all(mine >= its for mine, its in zip(reached, self._held[middle][1], strict=True)):
                low = middle + 1
            else:
                high = middle
        return low


class Listeners:
    """Who is to be woken by an event of which account; `None` hears of all."""

    def __init__(self) -> None:
        self._by_account: dict[str | None, set[Callable[[], None]]] = {}

    def add(self, accounts: frozenset[str] | None, wake: Callable[[], None]) -> None:
        for account in accounts if accounts is not None else (None,):
            self._by_account.setdefault(account, set()).add(wake)

    def remove(self, accounts: frozenset[str] | None, wake: Callable[[], None]) -> None:
        for account in accounts if accounts is not None else (None,):
            waking = self._by_account.get(account, set())
            waking.discard(wake)
            if not waking:
                self._by_account.pop(account, None)

    def tell(self, event: LoggedEvent) -> None:
        for account in {event.account_id, None}:
            for wake in self._by_account.get(account, ()):
                wake()

    def tell_all(self) -> None:
        for waking in self._by_account.values():
            for wake in waking:
                wake()


def _moved(reached: Reached, event: LoggedEvent) -> Reached:
    return (*reached[: event.log], event.sequence, *reached[event.log + 1 :])
