"""What the errors of JetStream mean to a service."""

import pytest
from nats.js.errors import APIError, BadRequestError, ServerError, ServiceUnavailableError

from libs.runtime.bus import Bus
from libs.runtime.emit import Emit
from libs.runtime.errors import Conflict, Unavailable
from libs.schemas.analytics import Alert
from tests.fakes.clock import START


class Client:
    """Stands for nats-py: answers each publish with an error."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def jetstream(self, **options: object) -> "Client":
        return self

    async def publish(self, *args: object, **kwargs: object) -> None:
        raise self._error


class Broker:
    def __init__(self, error: Exception) -> None:
        self.connection = Client(error)


ERRORS: dict[str, tuple[Exception, type[Exception]]] = {
    "a full stream": (ServiceUnavailableError(503, "maximum bytes exceeded", 10077), Unavailable),
    "a full disk": (ServerError(500, "insufficient storage resources available", 10047), Unavailable),
    "a full account": (BadRequestError(400, "resource limits exceeded for account", 10002), Unavailable),
    "no answer": (TimeoutError(), Unavailable),
    "a connection that broke": (ConnectionResetError(), Unavailable),
    "another revision": (BadRequestError(400, "wrong last sequence: 7", 10071), Conflict),
    "another stream": (BadRequestError(400, "expected stream does not match", 10060), BadRequestError),
    "what is new to us": (APIError(418, "a teapot", 1), APIError),
}


@pytest.mark.parametrize("case", ERRORS)
async def test_a_publish_raises_by_who_must_act_on(case: str) -> None:
    error, expected = ERRORS[case]
    bus = Bus(Broker(error), "test")  # type: ignore[arg-type]
    body = Alert(alert_id="a", kind="budget", severity="info", message="", created_at=START)
    with pytest.raises(expected) as raised:
        await bus.publish(Emit("alert.raised.a", body))
    assert type(raised.value) is expected
