"""How often decisions were right, and whether their confidence meant something."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import sqrt

Z_95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class JudgedEntry:
    """An entry that a decision wanted: its confidence in percent, its forward returns by horizon as far as they are
    known, signed by the action, and the horizons whose returns nobody will ever know."""

    confidence: float | None
    returns: Mapping[str, float]
    unknown: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class JudgedEntries:
    """Newest first. Where there were too many, those judged before `cut_at` are not among them."""

    entries: Sequence[JudgedEntry]
    cut_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Accuracy:
    """`share` is null without decisions; `low` and `high` bound it with 95 % confidence."""

    right: int
    decisions: int
    share: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Bin:
    """Decisions with a confidence from `low`, included, to `high` percent; its mean and the hit rate as fractions."""

    low: float
    high: float
    decisions: int
    confidence: float
    hit_rate: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """`brier` is the mean of (confidence − outcome)²: 0 is perfect, 0.25 what saying 50 % each time gives."""

    decisions: int
    brier: float | None
    table: tuple[Bin, ...]


def wilson(right: int, decisions: int, z: float = Z_95) -> tuple[float, float]:
    """Wilson's score interval of a share (Wilson 1927, JASA 22:209). Raises ValueError without decisions."""
    if decisions <= 0 or not 0 <= right <= decisions:
        raise ValueError(f"{right} right of {decisions} decisions is no share")
    share, z2 = right / decisions, z * z
    middle = (share + z2 / (2 * decisions)) / (1 + z2 / decisions)
    half = z * sqrt(share * (1 - share) / decisions + z2 / (4 * decisions * decisions)) / (1 + z2 / decisions)
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))


def accuracy(returns: Iterable[float | None]) -> Accuracy:
    """Of decisions that are not holds, by their forward return signed by the action; one of exactly 0 is not right.

    None stands for a decision whose time has not come yet: it does not count.
    """
    known = [value for value in returns if value is not None]
    right = sum(value > 0 for value in known)
    if not known:
        return Accuracy(0, 0, None, None, None)
    low, high = wilson(right, len(known))
    return Accuracy(right, len(known), right / len(known), low, high)


def calibration(pairs: Sequence[tuple[float, bool]], bins: int = 10) -> Calibration:
    """`pairs` of confidence in percent, 0–100, and whether the decision was right. Empty bins are left out."""
    if not pairs:
        return Calibration(0, None, ())
    brier = sum((confidence / 100 - right) ** 2 for confidence, right in pairs) / len(pairs)
    rows: dict[int, list[tuple[float, bool]]] = {}
    for confidence, right in pairs:
        rows.setdefault(min(bins - 1, int(confidence * bins // 100)), []).append((confidence, right))
    return Calibration(len(pairs), brier, tuple(_bin(n, rows[n], 100 / bins) for n in sorted(rows)))


def _bin(n: int, row: Sequence[tuple[float, bool]], width: float) -> Bin:
    confidence = sum(confidence for confidence, _ in row) / len(row) / 100
    return Bin(n * width, (n + 1) * width, len(row), confidence, sum(right for _, right in row) / len(row))
