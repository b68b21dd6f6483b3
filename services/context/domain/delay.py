"""How late the ticks of a symbol come, as measured: candles may not be closed before what belongs to them is here."""

WINDOW_S = 60.0
ENOUGH = 3  # measurements, so that one look at a stream that paused says nothing


class Delay:
    """The least time from a tick's event to when it was here, over the last minute or two. Seconds of market time."""

    __slots__ = ("_before", "_began", "_count", "_least", "_seen")

    def __init__(self) -> None:
        self._began = float("-inf")
        self._least = float("inf")
        self._count = 0
        self._before = float("inf"), 0
        self._seen = 0

    def measure(self, applied: int, newest: float, now: float, most: float) -> None:
        """Look at a stream of which `applied` ticks are here, the newest of `newest`; beyond `most` is no delay."""
        if applied == self._seen:
            return
        self._seen = applied
        if now - self._began > WINDOW_S:
            fresh = now - self._began <= 2 * WINDOW_S
            self._before = (self._least, self._count) if fresh else (float("inf"), 0)
            self._began, self._least, self._count = now, float("inf"), 0
        if now - newest <= most:
            self._least = min(self._least, now - newest)
            self._count += 1

    def seconds(self) -> float:
        """0 until enough is measured."""
        least, count = self._before
        return max(0.0, min(least, self._least)) if count + self._count >= ENOUGH else 0.0
