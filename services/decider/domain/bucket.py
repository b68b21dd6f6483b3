"""A token bucket as one number: the time at which it would be full again (the generic cell rate algorithm).

The source is ITU-T I.371. A minute's worth may be taken at once, then one call an interval. Times are microseconds of
one clock; adapters/gate.lua says the same.
"""

import math
from dataclasses import dataclass

MINUTE_US = 60_000_000


@dataclass(frozen=True, slots=True)
class Rate:
    """`interval_us` between two calls in the long run; `slack_us` ahead of that is let through."""

    interval_us: int
    slack_us: int


@dataclass(frozen=True, slots=True)
class TokenBucket:
    """A bucket to take one from: its name and its rate."""

    id: str
    rate: Rate


def per_minute(calls: int, kept: float = 0.0) -> Rate:
    """`calls` ≥ 1 a minute, all of them at once if need be, but for the part `kept` of the bucket: negative slack is a
    bucket that has to be full for longer than it takes."""
    interval = -(-MINUTE_US // calls)
    return Rate(interval, (calls - 1 - math.ceil(calls * kept)) * interval)


def wait_us(full_at: int, now: int, rate: Rate) -> int:
    """0: one may be taken; else how long until then. A bucket that nobody has used is full at 0."""
    return max(0, full_at - rate.slack_us - now)


def taken(full_at: int, now: int, rate: Rate) -> int:
    return max(full_at, now) + rate.interval_us
