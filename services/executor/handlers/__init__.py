"""Messages of a partition: verdicts and controls, told apart by their subject."""

from collections.abc import Awaitable, Callable

from libs.runtime.delivery import delivered
from libs.schemas.account import ControlRequested
from libs.schemas.base import Message
from libs.schemas.decision import DecisionValidated
from services.executor.handlers.desks import Desks

Execute = DecisionValidated | ControlRequested


def decode(subject: str, body: bytes) -> Message:
    """`execute.<partition>.validated.<account>` or `execute.<partition>.control.<account>`."""
    if subject.split(".")[2] == "control":
        return ControlRequested.model_validate_json(body)
    return DecisionValidated.model_validate_json(body)


def handler(desks: Desks) -> Callable[[Execute], Awaitable[None]]:
    """The handler of every partition's durable."""

    async def on_execute(body: Execute) -> None:
        if isinstance(body, ControlRequested):
            await desks.control(body)
        else:
            await desks.execute(body, redelivered=delivered().deliveries > 1)

    return on_execute
