"""How often a run is looked at that may only wait."""

QUIET_LOOKS = 10  # without a move of the market: from then on the server is asked seldom
SELDOM, RARELY = 5, 30  # every which look then asks whether the market moves, and for all the rest


class QuietLooks:
    """Counts looks since the market moved. Each look is `asks`, and where that says so `moved`."""

    def __init__(self) -> None:
        self._still = 0

    def asks(self) -> bool:
        """Whether this look asks the server at all."""
        if self._still < QUIET_LOOKS or not self._still % SELDOM:
            return True
        self._still += 1
        return False

    def moved(self, moved: bool) -> bool:
        """What an asking look saw of the market; whether it asks for all the rest too."""
        rest = moved or self._still <= QUIET_LOOKS or not self._still % RARELY
        self._still = 0 if moved else self._still + 1
        return rest
