"""What an exchange's rows hold, as numbers and times: a row may lack anything."""

from datetime import UTC, datetime
from math import isfinite


def number(value: object) -> float | None:
    if value is None or value == "":
        return None
    made = float(str(value))
    return made if isfinite(made) else None


def positive(value: object) -> float | None:
    made = number(value)
    return made if made is not None and made > 0 else None


def moment(ms: object) -> datetime | None:
    made = number(ms)
    return datetime.fromtimestamp(made / 1_000, UTC) if made else None
