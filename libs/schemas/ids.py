"""Ids derive from their cause, so that a redelivery repeats them. Nothing random, no clock, nothing a model wrote."""

import hashlib
from datetime import datetime

PARTITIONS = 16


def _digest(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()


def interval_cycle(timeframe: str, close_time: datetime) -> str:
    """Identity of an interval trigger: the candle that closed."""
    return f"interval:{timeframe}:{int(close_time.timestamp())}"


def request_cycle(request_id: str) -> str:
    """Identity of a trigger that a client asked for."""
    return f"request:{request_id}"


def price_cycle(symbol: str, last_decision_id: str) -> str:
    """Identity of a price trigger: one a symbol since a decision."""
    return f"price:{symbol}:{last_decision_id}"


def position_cycle(event_id: str) -> str:
    """Identity of the trigger that a stop, a target or a liquidation is: the position event."""
    return f"position:{event_id}"


def funding_cycle(symbol: str, funding_time: datetime) -> str:
    """Identity of the trigger that funding is near."""
    return f"funding:{symbol}:{int(funding_time.timestamp())}"


def trigger_request_id(account_id: str, cycle: str) -> str:
    """Id under which a context worker publishes its own trigger; replicas publish the same one."""
    return f"req-{_digest('request', account_id, cycle)[:32]}"


def context_id(account_id: str, cycle: str) -> str:
    return f"ctx-{_digest('context', account_id, cycle)[:32]}"


def decision_id(context: str, arm: str) -> str:
    return f"dec-{_digest('decision', context, arm)[:32]}"


def shadow_decision_id(context: str, experiment: str, arm: str) -> str:
    """Of a shadow arm; the decision that counts is always `decision_id(context, "live")`, whichever arm makes it."""
    return decision_id(context, f"{experiment}/{arm}")


def told_event_id(kind: str, source_id: str) -> str:
    """Of an event as receivers outside know it: no dots, which part the id from the time where it is signed."""
    return f"evt_{_digest('told', kind, source_id)[:32]}"


def notice_id(route: str, event_id: str) -> str:
    return f"ntc-{_digest('notice', route, event_id)[:32]}"


def spread(*parts: str) -> float:
    """0…1, below 1, even over causes and the same for the same cause: who takes part in an experiment, and where."""
    return int(_digest("spread", *parts)[:13], 16) / 16**13


def client_order_id(account_id: str, origin: str, asset: str, leg: str, seq: int) -> str:
    """32 lowercase hex digits; `origin` is a decision or a protection event, `seq` counts replacements of that leg."""
    return _digest("order", account_id, origin, asset, leg, str(seq))[:32]


def fill_id(client_order: str, n: int) -> str:
    return f"{client_order}-{n}"


def partition(account_id: str) -> int:
    """The account's partition: FNV-1a-32 of the account modulo 16, as nats-server's `partition(16,1)` computes it."""
    value = 0x811C9DC5
    for byte in account_id.encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value % PARTITIONS
