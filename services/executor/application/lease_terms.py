"""For how long the partitions that this process holds cannot be another's."""

import time
from collections.abc import Callable, Iterable


class LeaseTerms:
    """Written by whoever takes and renews leases, read before a request is signed."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._until: dict[int, float] = {}

    def now(self) -> float:
        """To be read before the store is asked: a lease counts from there."""
        return self._monotonic()

    def taken(self, partition: int, until: float) -> None:
        self._until[partition] = until

    def renewed(self, partitions: Iterable[int], until: float) -> None:
        """These are held until then, and no others."""
        self._until = dict.fromkeys(partitions, until)

    def left(self, partition: int) -> float:
        """Seconds for which nobody else can hold the partition; nothing or less where it is not held."""
        return self._until.get(partition, 0.0) - self._monotonic()
