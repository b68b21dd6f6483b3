"""Outside text about symbols, the newest of each."""

from datetime import datetime

from libs.schemas.market import MarketNote

_KEPT = 20


class Notes:
    """By symbol, None for the market as a whole."""

    def __init__(self) -> None:
        self._notes: dict[str | None, list[MarketNote]] = {}

    def put(self, note: MarketNote) -> None:
        others = [known for known in self._notes.get(note.symbol, ()) if known.note_id != note.note_id]
        self._notes[note.symbol] = sorted([*others, note], key=lambda known: known.published_at)[-_KEPT:]

    def unexpired(self, symbol: str | None, now: datetime) -> list[MarketNote]:
        """Oldest first."""
        return [note for note in self._notes.get(symbol, ()) if note.expires_at > now]
