"""How long a request waits for its account's state: an account that lacks it never delays another.

A state comes a little after the fill that made it, and some seconds after an account that is new. Who waits holds no
hand: its message comes again later. An account is waited for only once while its state does not move.
"""

FIRST_S, FACTOR = 0.05, 3.0
MOST_DELIVERIES = 7  # one is left for a worker that dies


class Patience:
    """`wait` is in seconds from when an account is first missed."""

    def __init__(self, wait: float) -> None:
        self._wait = wait
        self._since: dict[str, tuple[int | None, float]] = {}

    def later(self, account_id: str, have: int | None, deliveries: int, now: float) -> float | None:
        """Seconds until the request is looked at again; None when it was waited for long enough.

        `have` is the version of the state that is there, None without any; `now` in monotonic seconds. The seconds
        grow with the deliveries.
        """
        known = self._since.get(account_id)
        if known is None or known[0] != have:
            known = self._since[account_id] = have, now
        left = known[1] + self._wait - now
        if left <= 0 or deliveries >= MOST_DELIVERIES:
            return None
        return float(min(left + FIRST_S, FIRST_S * FACTOR ** (deliveries - 1)))

    def found(self, account_id: str) -> None:
        """The account's state is there."""
        self._since.pop(account_id, None)
