"""Messages of a partition: verdicts and controls, told apart by their subject."""

from collections.abc import Awaitable, Callable

from libs.runtime import tracing
from libs.runtime.delivery import delivered
from libs.runtime.errors import Poison
from libs.schemas.account import ControlRequested
from libs.schemas.base import Message
from libs.schemas.reasons import DeadLetterCode
from libs.schemas.verdict import DecisionValidated
from services.executor.application.desks import Desks

Execute = DecisionValidated | ControlRequested


def decode(subject: str, body: bytes) -> Message:
    """`execute.<partition>.validated.<account>` or `execute.<partition>.control.<account or all>`.

    The subject chose the partition: a body about another account would be nobody's here.
    """
    _, _, kind, account = subject.split(".")
    if kind == "control":
        control = ControlRequested.model_validate_json(body)
        return _about(account, control.scope, "scope", control)
    validated = DecisionValidated.model_validate_json(body)
    return _about(account, validated.account_id, "account_id", validated)


def _about(account: str, named: str, field: str, body: Message) -> Message:
    if account == named:
        return body
    raise Poison(DeadLetterCode.SUBJECT_MISMATCH, f"the body is about {named}, the subject about {account}", field)


def handler(desks: Desks) -> Callable[[Execute], Awaitable[None]]:
    """The handler of every partition's durable."""

    async def on_execute(body: Execute) -> None:
        if isinstance(body, ControlRequested):
            await desks.control(body)
        else:
            info = delivered()
            await desks.execute(body, redelivered=info.deliveries > 1, trace=tracing.current())

    return on_execute
