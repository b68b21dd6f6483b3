"""What an event changes in the read models, as values. Applying them in any order, any number of times, is the same."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

Value = str | int | float | bool | Decimal | datetime | list[Any] | dict[str, Any] | None
Fields = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Advance:
    """Fields that show the event of the greatest rank so far: `set` applies only if `rank` is above the stored one.

    Ranks compare as text, so that numbers in them are zero-padded; two different events never have an equal rank.
    """

    rank: str
    set: Fields


@dataclass(frozen=True, slots=True)
class Count:
    """Sums over members of a set, each counted once: `add` applies only if `member` is not yet in the array `field`."""

    field: str
    member: str
    add: Mapping[str, Decimal]


Guard = Advance | Count


@dataclass(frozen=True, slots=True)
class Upsert:
    """A change of the document `key` of `collection`, which is made if it is not there yet.

    `set` are fields that every event which knows them says alike (dotted names reach into embedded documents),
    `earliest` keeps the smallest of the times that were given, `set_on_insert` is written once.
    """

    collection: str
    key: str
    set: Fields = field(default_factory=dict)
    set_on_insert: Fields = field(default_factory=dict)
    earliest: Mapping[str, datetime] = field(default_factory=dict)
    guards: tuple[Guard, ...] = ()


Upserts = tuple[Upsert, ...]


def known(**fields: Value) -> dict[str, Value]:
    """The fields that are not None: what an event does not know, it does not overwrite. `__` stands for a dot."""
    return {name.replace("__", "."): value for name, value in fields.items() if value is not None}
