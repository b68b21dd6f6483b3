"""Which symbols are followed: anybody may publish any, and none of them crowds out what is configured."""

from collections.abc import Iterable

_NAMED = 10_000  # symbols that are remembered as left out


class Following:
    """At most `most` symbols; those that are configured always, and the others as far as they leave room."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.reserved: frozenset[str] = frozenset()
        self.left_out: dict[str, None] = {}  # in the order in which they came
        self._followed: set[str] = set()
        self._foreign = 0

    def __contains__(self, symbol: str) -> bool:
        return symbol in self._followed

    def __len__(self) -> int:
        return len(self._followed)

    def reserve(self, symbols: Iterable[str]) -> frozenset[str]:
        """What is configured now; returns those of them that were left out, whose past is not here."""
        self.reserved = frozenset(symbols)
        self._foreign = len(self._followed - self.reserved)
        late = self.reserved & self.left_out.keys()
        for symbol in late:
            del self.left_out[symbol]
        return late

    def admit(self, symbol: str) -> bool:
        """Whether a symbol is followed, from now on if it was not."""
        if symbol in self._followed:
            return True
        if symbol not in self.reserved:
            if self._foreign >= self.most - len(self.reserved):
                if len(self.left_out) < _NAMED:
                    self.left_out[symbol] = None
                return False
            self._foreign += 1
        self._followed.add(symbol)
        return True
