"""MongoDB as the gateway asks it: within a time, and away when it does not answer."""

from collections.abc import Iterator
from contextlib import contextmanager

import pymongo

from libs.runtime.mongo import MONGO_AWAY
from services.gateway.domain.problems import Away

TIMEOUT_S = 4.0


@contextmanager
def answering() -> Iterator[None]:
    """Turns an outage of MongoDB into Away; a server that hangs is away too."""
    try:
        with pymongo.timeout(TIMEOUT_S):
            yield
    except MONGO_AWAY as error:
        raise Away("MongoDB") from error
