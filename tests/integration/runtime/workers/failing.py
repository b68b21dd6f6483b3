"""A background task that fails."""

from libs.runtime.settings import RuntimeSettings
from libs.runtime.worker import Worker, run


def create_app() -> Worker:
    worker = Worker("failing", RuntimeSettings())

    async def fail() -> None:
        raise RuntimeError("nats://user:topsecret@somewhere is no place")

    worker.background("failing", fail)
    return worker


if __name__ == "__main__":
    run(create_app)
