"""What was doubtful about symbols' ticks lately: told in contexts while it is recent, and once as an alert."""

from collections import Counter, deque
from datetime import datetime, timedelta

from libs.perps.admission import Doubt
from libs.schemas.analytics import Alert

RECENT = timedelta(minutes=5)
_KEPT = 10_000


class Doubts:
    """The newest of each symbol and kind. While history is read nobody is alerted: that was done when it happened."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._live = False
        self._newest: dict[tuple[str, str], Doubt] = {}
        self._untold: deque[Doubt] = deque(maxlen=_KEPT)

    def go_live(self) -> None:
        self._live = True

    def put(self, doubt: Doubt) -> None:
        self.counts[doubt.kind.value] += 1
        key = doubt.symbol, doubt.kind.value
        before = self._newest.get(key)
        if before is None and len(self._newest) >= _KEPT:
            return
        self._newest[key] = doubt
        if self._live and (before is None or doubt.at - before.at > RECENT):
            self._untold.append(doubt)

    def recent(self, symbol: str, now: datetime) -> list[Doubt]:
        """What was doubtful within the last minutes."""
        known = [doubt for (name, _), doubt in self._newest.items() if name == symbol]
        return [doubt for doubt in known if now - doubt.at <= RECENT]

    def take(self) -> list[Doubt]:
        """What nobody was alerted to yet."""
        taken = list(self._untold)
        self._untold.clear()
        return taken

    def put_back(self, doubts: list[Doubt]) -> None:
        """These could not be told."""
        self._untold.extendleft(reversed(doubts))


def alert_of(doubt: Doubt, now: datetime) -> Alert:
    """Every replica makes the same one."""
    return Alert(
        alert_id=f"doubt:{doubt.symbol}:{doubt.kind}:{int(doubt.at.timestamp())}",
        kind="doubt",
        severity="warning",
        message=f"{doubt.symbol}: {doubt.message}",
        created_at=now,
    )
