"""The gate of one process, for the time when the shared one cannot be reached: the same rules, for free models only."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from services.decider.domain import breaker, bucket
from services.decider.domain.breaker import BreakerRules, Circuit, Guard
from services.decider.domain.bucket import TokenBucket
from services.decider.domain.replies import Outcome

SHARE = 4  # a process alone cannot know how many there are: it takes a quarter of each rate


@dataclass(frozen=True, slots=True)
class Closed:
    """Not now: `which` circuit or bucket says so, for how long, and why a circuit is open."""

    which: str
    wait_us: int
    cause: str = ""


@dataclass(slots=True)
class LocalGate:
    rules: BreakerRules
    circuits: dict[str, Circuit] = field(default_factory=dict)
    full_at: dict[str, int] = field(default_factory=dict)

    def enter(self, by: str, guards: Sequence[Guard], buckets: Sequence[TokenBucket], now_us: int) -> bool | Closed:
        """Whether call `by` is a probe, or what stands in its way. What is denied has taken nothing."""
        now = now_us // 1000
        for guard in guards:
            circuit = self.circuits.get(guard.id, Circuit())
            if wait := breaker.wait_ms(circuit, now):
                return Closed(guard.id, wait * 1000, circuit.cause)
        for each in buckets:
            if wait := bucket.wait_us(self.full_at.get(each.id, 0), now_us, each.rate):
                return Closed(each.id, wait)
        for each in buckets:
            self.full_at[each.id] = bucket.taken(self.full_at.get(each.id, 0), now_us, each.rate)
        probe = False
        for guard in guards:
            circuit = self.circuits.get(guard.id, Circuit())
            probe = probe or bool(circuit.opened)
            self.circuits[guard.id] = breaker.entered(circuit, guard, now, by, self.rules)
        return probe

    def leave(self, by: str, guards: Sequence[Guard], outcome: Outcome, now_us: int) -> None:
        for guard in guards:
            said = breaker.verdict(outcome, guard)
            circuit = self.circuits.get(guard.id, Circuit())
            self.circuits[guard.id] = breaker.told(circuit, guard, now_us // 1000, by, said, outcome.value, self.rules)
