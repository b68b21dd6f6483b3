"""What a worker says of itself (KV `workers`): whether it can do its work, and what its operations port would say."""

from typing import Any

from libs.schemas.base import Message, Name, Utc


class WorkerTold(Message):
    """One process, every few seconds; what it does not repeat is gone from the bucket. Times are wall time.

    `checks` are its parts, all true where it is ready; `details` are those of /health.
    """

    service: Name
    instance: Name
    version: Name
    started_at: Utc
    at: Utc
    ready: bool
    checks: dict[Name, bool]
    details: dict[Name, Any] = {}
