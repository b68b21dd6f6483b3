"""Provisioning: creates, repairs, does nothing the second time; and the words for what differs."""

import pytest
from nats.js.api import StreamConfig, StreamInfo

from libs.runtime.bus import Bus
from libs.runtime.emit import Emit
from libs.runtime.provision import check_nats, provision_nats
from libs.schemas.ids import partition
from libs.schemas.subjects import BUCKETS, CONTEXT_REQUESTS, DURABLES, MARKET, ORDERS, STREAMS
from tests.integration.runtime.conftest import until
from tests.integration.runtime.messages import alert


async def test_provisioning_again_changes_nothing(bus: Bus) -> None:
    def configs(infos: list[StreamInfo]) -> dict[str | None, StreamConfig]:
        return {info.config.name: info.config for info in infos}

    before = configs(await bus.js.streams_info())
    assert await check_nats(bus.js) == []
    await provision_nats(bus.js)
    assert configs(await bus.js.streams_info()) == before
    assert set(before) == {stream.name for stream in STREAMS} | {f"KV_{bucket.name}" for bucket in BUCKETS}
    for durable in DURABLES:
        assert (await bus.js.consumer_info(durable.stream, durable.name)).config.ack_wait == durable.ack_wait_s


async def test_what_was_altered_or_deleted_is_named_and_repaired(bus: Bus) -> None:
    stream = (await bus.js.stream_info(ORDERS.name)).config
    stream.max_msgs = 5
    await bus.js.update_stream(stream)
    bucket = (await bus.js.stream_info("KV_config")).config
    bucket.max_msgs_per_subject = 1
    await bus.js.update_stream(bucket)
    consumer = (await bus.js.consumer_info(CONTEXT_REQUESTS.stream, CONTEXT_REQUESTS.name)).config
    consumer.max_ack_pending = 1
    await bus.js.add_consumer(CONTEXT_REQUESTS.stream, consumer)
    await bus.js.delete_consumer("ORDERS", "ledger-orders")
    found = await check_nats(bus.js)
    assert sorted(found) == [
        "the consumer context-requests has max_ack_pending=1, the code expects 256",
        "the consumer ledger-orders of ORDERS is missing",
        "the stream KV_config has max_msgs_per_subject=1, the code expects 64",
        "the stream ORDERS has max_msgs=5, the code expects None",
    ]
    await provision_nats(bus.js)
    assert await check_nats(bus.js) == []


async def test_a_service_asks_only_for_its_own_durables(bus: Bus) -> None:
    await bus.js.delete_consumer(CONTEXT_REQUESTS.stream, CONTEXT_REQUESTS.name)
    try:
        assert await check_nats(bus.js, ()) == []
        assert await check_nats(bus.js, (CONTEXT_REQUESTS,)) == ["the consumer context-requests of REQUESTS is missing"]
    finally:
        await provision_nats(bus.js)


async def test_market_data_alone_is_stored_without_waiting_for_the_disk(bus: Bus) -> None:
    modes = {info.config.name: info.config.persist_mode for info in await bus.js.streams_info()}
    assert {name for name, mode in modes.items() if mode == "async"} == {
        stream.name for stream in STREAMS if stream.persist_async
    }
    assert modes[MARKET.name] == "async"


@pytest.mark.parametrize("account", ["acc-1", "paper_2", "A"])
async def test_a_verdict_arrives_in_the_partition_that_the_code_computes(account: str, bus: Bus) -> None:
    await bus.publish(Emit(f"decision.validated.{account}", alert(f"v-{account}")))
    subject = f"execute.{partition(account)}.validated.{account}"

    async def there() -> bool:
        state = (await bus.js.stream_info("EXECUTION", subjects_filter=subject)).state
        return state.subjects == {subject: 1}

    await until(there)
