"""What the workers said, and how the servers are, in memory."""

from collections.abc import Mapping

from libs.schemas.worker import WorkerTold
from services.gateway.domain.monitoring import DurableLag
from services.gateway.domain.problems import Away


class FakeOperations:
    def __init__(self) -> None:
        self.words: list[WorkerTold] = []
        self.parts = {"nats": True, "started": True, "mongodb": True, "keys": True}
        self.shared = True
        self.behind: list[DurableLag] = []
        self.away: str | None = None

    def workers(self) -> list[WorkerTold]:
        return self.words

    def checks(self) -> Mapping[str, bool]:
        return self.parts

    def rates_shared(self) -> bool:
        return self.shared

    async def backlog(self) -> list[DurableLag]:
        if self.away:
            raise Away(self.away)
        return self.behind

    async def versions(self) -> dict[str, str]:
        if self.away:
            raise Away(self.away)
        return {"nats": "2.15.1", "mongodb": "8.0.1", "redis": "7.2.4"}
