"""The changes of many events as one change of each document."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Context, Decimal

from services.ledger.domain.upserts import Advance, Count, Guard, Upsert, Upserts

_SUMS = Context(prec=34)  # as MongoDB adds


@dataclass(frozen=True, slots=True)
class Merged:
    """One change of a document, and the numbers of the events that it is made of."""

    upsert: Upsert
    events: frozenset[int]


def merged(changes: Sequence[Upserts]) -> tuple[Merged, ...]:
    """Every document once, in the order of their first mention. Nothing is lost: changes of a document commute."""
    made: dict[tuple[str, str], Merged] = {}
    for event, upserts in enumerate(changes):
        for upsert in upserts:
            place = (upsert.collection, upsert.key)
            known = made.get(place)
            both = _both(known.upsert, upsert) if known else upsert
            made[place] = Merged(both, (known.events if known else frozenset()) | {event})
    return tuple(made.values())


def _both(first: Upsert, second: Upsert) -> Upsert:
    """As if one came after the other: the first makes the document, so that only its `set_on_insert` counts."""
    fields = {**first.set, **second.set}
    return replace(
        first,
        set=fields,
        set_on_insert={name: value for name, value in first.set_on_insert.items() if name not in fields},
        earliest=_earliest(first.earliest, second.earliest),
        guards=_guards((*first.guards, *second.guards)),
    )


def _earliest(first: Mapping[str, datetime], second: Mapping[str, datetime]) -> Mapping[str, datetime]:
    return {name: min(times[name] for times in (first, second) if name in times) for name in {**first, **second}}


def _guards(guards: Iterable[Guard]) -> tuple[Guard, ...]:
    """The greatest rank alone, for it is what any order of them leaves; each member once."""
    newest: Advance | None = None
    counts: dict[tuple[str, str], Count] = {}
    for guard in guards:
        if isinstance(guard, Count):
            counts.setdefault((guard.field, guard.member), guard)
        elif newest is None or newest.rank < guard.rank:
            newest = guard
    return (*((newest,) if newest else ()), *counts.values())


def summed(counts: Iterable[Count]) -> Mapping[str, Decimal]:
    """What all of these add, by field."""
    sums: dict[str, Decimal] = {}
    for count in counts:
        for name, value in count.add.items():
            sums[name] = _SUMS.add(sums[name], value) if name in sums else value
    return sums
