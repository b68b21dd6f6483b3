"""Loses its connection for good, as when the client gives up."""

from libs.runtime.settings import RuntimeSettings
from libs.runtime.worker import Worker, run


def create_app() -> Worker:
    worker = Worker("closing", RuntimeSettings())

    async def close() -> None:
        await worker.bus.nc.close()

    worker.background("closing", close)
    return worker


if __name__ == "__main__":
    run(create_app)
