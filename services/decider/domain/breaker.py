"""When a provider or a model is not asked for a while: the rules of one circuit.

adapters/gate.lua says the same in Redis; tests/integration/test_gate_rules.py runs both through the same events and
compares. All times are milliseconds of one clock. A circuit is closed (`opened` 0), open (before `ends`) or half-open:
then exactly one call is let through, the probe, under a lease that ends by itself when its worker dies.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from services.decider.domain.catalogue import CatalogueEntry
from services.decider.domain.replies import Outcome

DOUBLINGS = 30


class CallVerdict(StrEnum):
    """What a call says of the one who was asked. A refusal and nonsense come from a provider that is alive."""

    ALIVE = "alive"
    FAILED = "failed"
    FATAL = "fatal"
    RELEASED = "released"  # nothing is known: a probe gives its lease back


VERDICTS: Mapping[Outcome, CallVerdict] = {
    Outcome.TIMEOUT: CallVerdict.FAILED,
    Outcome.UNAVAILABLE: CallVerdict.FAILED,
    Outcome.AUTH: CallVerdict.FATAL,
    Outcome.CREDIT: CallVerdict.FATAL,
}


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """Open after `failures` in a row for `open_ms`, twice as long after each failed probe, `longest_ms` at most.

    `proven_ms` after its last sign of life a circuit is trusted no longer: then, and after any failure, no more calls
    are under way at once than could still be failures before it opens.
    """

    failures: int = 5
    open_ms: int = 60_000
    longest_ms: int = 900_000
    lease_ms: int = 22_000
    proven_ms: int = 60_000


@dataclass(frozen=True, slots=True)
class Guard:
    """A circuit to pass by: its name and the failures in a row that open it; 0: only a fatal one does."""

    id: str
    failures: int


@dataclass(frozen=True, slots=True)
class Flight:
    """A call under way that counts against a circuit which is not trusted, until `ends` at the latest."""

    by: str
    ends: int


@dataclass(frozen=True, slots=True)
class Circuit:
    """`opened` counts openings in a row, `lease` and `prober` are the probe's, `alive` is the last sign of life."""

    failures: int = 0
    opened: int = 0
    ends: int = 0
    lease: int = 0
    prober: str = ""
    cause: str = ""
    alive: int = 0
    flights: tuple[Flight, ...] = ()


def guards(entry: CatalogueEntry, rules: BreakerRules) -> tuple[Guard, ...]:
    """A wrong key or used-up credit concerns every model of a provider; failures in a row concern one model."""
    return Guard(f"provider:{entry.provider}", 0), Guard(f"model:{entry.id}", rules.failures)


def verdict(outcome: Outcome, guard: Guard) -> CallVerdict:
    found = VERDICTS.get(outcome, CallVerdict.ALIVE)
    return CallVerdict.RELEASED if found is CallVerdict.FATAL and guard.failures else found


def wait_ms(circuit: Circuit, now: int) -> int:
    """0: it may be asked; else how long it may not."""
    return max(0, max(circuit.ends, circuit.lease) - now) if circuit.opened else 0


def crowded(circuit: Circuit, guard: Guard, now: int, rules: BreakerRules) -> bool:
    """Whether the calls under way could already be the failures that open it."""
    if circuit.opened or not guard.failures or _trusted(circuit, now, rules):
        return False
    return circuit.failures + len(_flying(circuit, now)) >= guard.failures


def entered(circuit: Circuit, guard: Guard, now: int, by: str, rules: BreakerRules) -> Circuit:
    """The circuit once call `by` has passed it."""
    if circuit.opened:
        return replace(circuit, lease=now + rules.lease_ms, prober=by)
    if not guard.failures or _trusted(circuit, now, rules):
        return circuit
    flight = Flight(by, now + rules.lease_ms)
    return replace(circuit, flights=(*_flying(circuit, now), flight))


def told(
    circuit: Circuit, guard: Guard, now: int, by: str, said: CallVerdict, cause: str, rules: BreakerRules
) -> Circuit:
    """The circuit once call `by` has ended. Of one that is open only the probe's end counts."""
    circuit = replace(circuit, flights=tuple(one for one in _flying(circuit, now) if one.by != by))
    if circuit.opened and by != circuit.prober:
        return circuit
    match said:
        case CallVerdict.RELEASED:
            return replace(circuit, lease=0, prober="")
        case CallVerdict.ALIVE:
            return Circuit(alive=now)
    failures = circuit.failures + 1
    if said is CallVerdict.FAILED and not circuit.opened and (not guard.failures or failures < guard.failures):
        return replace(circuit, failures=failures, alive=0) if guard.failures else circuit
    length = min(rules.open_ms * 2 ** min(circuit.opened, DOUBLINGS), rules.longest_ms)
    return Circuit(failures=failures, opened=circuit.opened + 1, ends=now + length, cause=cause)


def _trusted(circuit: Circuit, now: int, rules: BreakerRules) -> bool:
    return not circuit.failures and now - circuit.alive <= rules.proven_ms


def _flying(circuit: Circuit, now: int) -> tuple[Flight, ...]:
    return tuple(one for one in circuit.flights if one.ends > now)
