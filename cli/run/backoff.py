"""When a worker that died is started again."""

from dataclasses import dataclass

FIRST_S = 1.0
LONGEST_S = 30.0
HEALTHY_S = 60.0


@dataclass(frozen=True, slots=True)
class Backoff:
    """Doubles from 1 s to 30 s with each death; a life of 60 s or more begins anew."""

    deaths: int = 0

    @property
    def delay(self) -> float:
        """Seconds to wait after the last death."""
        return 0.0 if not self.deaths else min(LONGEST_S, FIRST_S * 2.0 ** min(self.deaths - 1, 10))

    def died(self, lived_s: float) -> "Backoff":
        return Backoff(1 if lived_s >= HEALTHY_S else self.deaths + 1)
