"""Errors by who must act: a dependency that is away is waited for, a bad message is put aside, the rest is ours."""

from libs.schemas.reasons import DeadLetterCode


class Unavailable(Exception):
    """A dependency is away. The message in hand waits, with heartbeats, and burns no delivery.

    `unsure`: it was asked to store something and did not answer, so that it may have been stored all the same.
    """

    def __init__(self, message: str, *, unsure: bool = False) -> None:
        super().__init__(message)
        self.unsure = unsure


class Conflict(Exception):
    """A compare-and-set lost: somebody else wrote first."""


class Poison(Exception):
    """A message that can never be handled: it becomes a dead letter at once. `field` is a dotted path."""

    def __init__(self, code: DeadLetterCode, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field


class Later(Exception):
    """What a message needs may come in a moment: it is delivered again after `seconds`, and nothing is held till then.

    Every delivery counts: a handler must come to an end before the durable's last.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(f"again in {seconds:g} s")
        self.seconds = seconds
