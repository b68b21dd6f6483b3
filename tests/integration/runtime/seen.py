"""What can be seen on the server of what a worker did with the test durable."""

from collections.abc import Awaitable, Callable
from typing import cast

from nats.js.api import ConsumerInfo

from libs.runtime.bus import Bus
from libs.runtime.emit import Emit, Emits
from libs.schemas.analytics import Alert
from libs.schemas.dead import DeadLetter
from tests.integration.runtime.conftest import until
from tests.integration.runtime.messages import INBOX, STREAM

Handler = Callable[[Alert], Awaitable[Emit | Emits | None]]


async def consumer(bus: Bus) -> ConsumerInfo:
    return cast("ConsumerInfo", await bus.js.consumer_info(STREAM, INBOX.name))


async def settled(bus: Bus) -> None:
    """Return when something was delivered, nothing is left to deliver and nothing in hand."""

    async def idle() -> bool:
        info = await consumer(bus)
        begun = info.delivered is not None and info.delivered.consumer_seq > 0
        return begun and not info.num_ack_pending and not info.num_pending

    await until(idle)


async def letters(bus: Bus, count: int = 1) -> list[DeadLetter]:
    """The dead letters, once there are `count`."""

    async def there() -> bool:
        return (await bus.js.stream_info("DEAD")).state.messages >= count

    await until(there)
    state = (await bus.js.stream_info("DEAD")).state
    assert state.messages == count
    found = [await bus.js.get_msg("DEAD", seq) for seq in range(state.first_seq, state.last_seq + 1)]
    return [DeadLetter.model_validate_json(message.data or b"") for message in found]


async def stored(bus: Bus, subject: str) -> bool:
    state = (await bus.js.stream_info(STREAM, subjects_filter=subject)).state
    return bool(state.subjects)


def lambda_of(answer: Callable[[Alert], Emit | None]) -> Handler:
    async def handle(body: Alert) -> Emit | None:
        return answer(body)

    return handle
