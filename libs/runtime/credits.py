"""How many messages a puller may still be sent: never more than it has free places, over all requests at the server.

The server does not say which request a message answers, so that credit is counted over all of them together.
"""

from dataclasses import dataclass, field


@dataclass
class Credits:
    """Places of one puller. `asked` is what the server may still send; `in_hand` is what is being worked on."""

    places: int
    asked: int = 0
    in_hand: int = 0
    _requests: dict[int, tuple[int, float]] = field(default_factory=dict)  # by id: its size, and when it is over

    @property
    def wanted(self) -> int:
        """How many to ask for now: what is free and not asked for, once that is half of what is free.

        So a busy puller of many places sends one request for many messages, and one of a single place waits for none.
        """
        free = self.places - self.in_hand
        return free - self.asked if free > 0 and self.asked * 2 <= free else 0

    def ask(self, request: int, count: int, until: float) -> None:
        """A request for `count` is sent, which the server drops at `until`."""
        self.asked += count
        self._requests[request] = (count, until)

    def take(self) -> bool:
        """A message has come; false where no place was asked for it."""
        if not self.asked:
            return False
        self.asked -= 1
        self.in_hand += 1
        return True

    def free(self) -> None:
        """The work on a message is over."""
        self.in_hand -= 1

    def end(self, request: int, left: int | None) -> None:
        """The server ended a request with `left` of it unsent; None where it does not say, which is all of it."""
        size, _ = self._requests.pop(request, (0, 0.0))
        self.asked = max(0, self.asked - (size if left is None else min(left, size)))

    def sweep(self, now: float) -> None:
        """Forget requests whose time is over: nothing comes for them, whatever became of their last word."""
        for request in [request for request, (_, until) in self._requests.items() if until < now]:
            del self._requests[request]
        self.asked = min(self.asked, sum(size for size, _ in self._requests.values()))

    def forget(self) -> None:
        """Nothing that was asked for will come."""
        self.asked = 0
        self._requests.clear()
