"""How long a request waits for its account's state: an account that lacks it never delays another.

A state comes a little after the fill that made it, so one waits. But whoever waits holds one of few hands: an account
is waited for only once while its state does not move, and some hands are always left for the others.
"""


class Patience:
    """`wait` in seconds since an account was first seen to lack its state; at most `most` requests wait at once."""

    def __init__(self, wait: float, most: int) -> None:
        self._wait = wait
        self._most = most
        self._since: dict[str, tuple[int | None, float]] = {}
        self.waiting = 0

    def lacks(self, account_id: str, have: int | None, now: float) -> float:
        """Seconds (monotonic) that are left to wait. `have` is the version that is there, None without any."""
        known = self._since.get(account_id)
        if known is None or known[0] != have:
            known = self._since[account_id] = have, now
        return known[1] + self._wait - now

    def has(self, account_id: str) -> None:
        """The account's state is there."""
        self._since.pop(account_id, None)

    @property
    def full(self) -> bool:
        return self.waiting >= self._most
