"""A worker as a process: what makes it refuse, and what ends it.

Rows of docs/bus.md: 1 (the connection is lost for good), 4 (streams are never changed), 5 (a durable that differs),
6 (a durable that is deleted).
"""

import asyncio
import re
import signal
from pathlib import Path

import httpx
import pytest

from libs.runtime import exits
from libs.runtime.bus import Bus
from libs.schemas.analytics import Alert
from libs.schemas.subjects import CANDLES, CONTEXTS
from tests.integration.runtime.conftest import MakeWorker, StartProcess, connected, until
from tests.integration.runtime.messages import INBOX, STREAM
from tests.integration.runtime.servers import Nats, Plain


@pytest.fixture
def plain(tmp_path: Path):  # type: ignore[no-untyped-def]
    """A bare NATS server, not yet started."""
    server = Plain(tmp_path)
    yield server
    server.stop()


async def test_row_1_a_connection_that_is_closed_for_good_ends_the_process(
    url: str, start_process: StartProcess
) -> None:
    process = start_process("closing", url)
    assert await process.ended() == exits.NATS_CLOSED
    assert "closed for good" in process.records[-1]["msg"]


async def test_row_1_the_client_never_gives_up_reconnecting(url: str, make_worker: MakeWorker) -> None:
    bus = await connected(make_worker(url))
    assert bus.nc.options["max_reconnect_attempts"] == -1
    assert bus.nc.options["ping_interval"] * bus.nc.options["max_outstanding_pings"] <= 20


async def test_row_1_a_server_that_refuses_the_login_ends_the_process_with_one_line(
    plain: Plain, start_process: StartProcess
) -> None:
    await plain.start("--user", "someone", "--pass", "else")
    process = start_process("echo", plain.url)
    assert await process.ended() == exits.NATS_CLOSED
    assert "check NATS_URL" in process.records[-1]["msg"]
    assert "Traceback" not in process.output


async def test_row_1_a_server_that_refuses_the_login_after_a_reconnect_ends_the_process(
    plain: Plain, start_process: StartProcess
) -> None:
    await plain.start()
    process = start_process("echo", plain.url)
    await process.said("JetStream does not answer yet")
    await plain.start("--user", "someone", "--pass", "else")
    assert await process.ended() == exits.NATS_CLOSED


async def test_row_4_a_stream_that_was_altered_is_left_alone_and_the_worker_refuses_to_run(
    url: str, bus: Bus, start_process: StartProcess
) -> None:
    config = (await bus.js.stream_info(CANDLES.name)).config
    config.max_age, config.duplicate_window = 3600, 60
    await bus.js.update_stream(config)
    process = start_process("echo", url)
    assert await process.ended() == exits.TOPOLOGY_MISMATCH
    said = process.records[-1]["msg"]
    assert "refusing to run" in said
    assert "the stream CANDLES has max_age=3600" in said
    assert "the stream CANDLES has duplicate_window=60" in said
    assert "perpetua up" in said
    after = (await bus.js.stream_info(CANDLES.name)).config
    assert (after.max_age, after.duplicate_window) == (3600, 60)


async def test_row_4_a_worker_that_runs_changes_no_stream(url: str, bus: Bus, start_process: StartProcess) -> None:
    before = [info.config for info in await bus.js.streams_info()]
    process = start_process("echo", url)
    await process.ready()
    assert [info.config for info in await bus.js.streams_info()] == before


async def test_a_missing_stream_is_named(url: str, bus: Bus, start_process: StartProcess) -> None:
    await bus.js.delete_stream(CONTEXTS.name)
    process = start_process("echo", url)
    assert await process.ended() == exits.TOPOLOGY_MISMATCH
    assert "the stream CONTEXTS is missing" in process.records[-1]["msg"]


async def test_row_5_a_durable_that_differs_is_refused_with_the_differences(
    url: str, bus: Bus, start_process: StartProcess
) -> None:
    config = (await bus.js.consumer_info(STREAM, INBOX.name)).config
    config.ack_wait, config.max_deliver, config.filter_subject = 30.0, 9, "alert.raised.global"
    await bus.js.add_consumer(STREAM, config)
    process = start_process("echo", url)
    assert await process.ended() == exits.TOPOLOGY_MISMATCH
    said = process.records[-1]["msg"]
    assert "the consumer test-in has ack_wait=30.0, the code expects 2" in said
    assert "the consumer test-in has max_deliver=9, the code expects 3" in said
    assert "has filters ['alert.raised.global'], the code expects ['alert.raised.in']" in said


async def test_row_5_a_durable_of_a_partition_is_looked_at_before_it_is_pulled_from(
    url: str, bus: Bus, make_worker: MakeWorker
) -> None:
    async def handle(body: Alert) -> None:
        return None

    worker = make_worker(url)
    worker.partition_consumer(INBOX, handle)
    assert worker.durables == (INBOX,)


async def test_row_6_a_durable_that_is_deleted_ends_the_process_which_did_not_spin(
    url: str, bus: Bus, start_process: StartProcess
) -> None:
    process = start_process("echo", url, TEST_COPIES="4")
    await process.ready()
    asked: list[bytes] = []

    async def count(msg) -> None:  # type: ignore[no-untyped-def]
        asked.append(msg.data)

    await bus.nc.subscribe(f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.{INBOX.name}", cb=count)
    await bus.js.delete_consumer(STREAM, INBOX.name)
    assert await process.ended() == exits.DURABLE_GONE
    assert "the durable test-in of AUDIT is gone" in process.records[-1]["msg"]
    assert len(asked) < 60, "four copies, about five seconds, at most twice a second each"
    assert INBOX.name not in [info.name for info in await bus.js.consumers_info(STREAM)], "it is not made anew"


async def test_a_background_task_that_fails_ends_the_process_and_the_log_holds_no_password(
    url: str, start_process: StartProcess
) -> None:
    process = start_process("failing", url)
    assert await process.ended() == exits.BACKGROUND_FAILED
    record = process.records[-1]
    assert record["msg"] == "the background task failing failed"
    assert "RuntimeError: nats://user:***@somewhere" in record["exception"]
    assert "topsecret" not in process.output


async def test_a_bad_setting_gives_one_line_and_its_own_exit_code(url: str, start_process: StartProcess) -> None:
    process = start_process("echo", url, PERPETUA_OPS_PORT="many")
    assert await process.ended() == exits.BAD_SETTINGS
    (line,) = process.output.splitlines()
    assert line.startswith("a setting is not valid: PERPETUA_OPS_PORT: Input should be a valid integer")


async def test_a_port_that_is_taken_is_said_in_one_line(url: str, start_process: StartProcess) -> None:
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    process = start_process("echo", url, PERPETUA_OPS_PORT=str(port))
    assert await process.ended() == exits.BAD_SETTINGS
    assert process.output.splitlines() == [
        f"cannot listen on 127.0.0.1:{port}: Address already in use; set another one"
    ]
    server.close()


async def test_ready_is_503_until_the_worker_pulls_and_when_nats_is_away(
    mortal: Nats, start_process: StartProcess
) -> None:
    mortal.kill()
    process = start_process("echo", mortal.url)
    port = int((await process.said("listening"))["port"])
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as ops:
        answer = await ops.get("/ready")
        assert (answer.status_code, answer.json()["ready"]) == (503, False)
        assert (await ops.get("/live")).status_code == 200
        await mortal.restart()
        await process.ready()
        answer = await ops.get("/ready")
        assert (answer.status_code, answer.json()) == (
            200,
            {"ready": True, "checks": {"nats": True, "started": True}},
        )
        metrics = (await ops.get("/metrics")).text
        assert re.search(r"^perpetua_runtime_ready 1\.0$", metrics, re.MULTILINE)
        assert (await ops.get("/metrics/")).status_code == 404
        mortal.kill()

        async def unready() -> bool:
            return (await ops.get("/ready")).status_code == 503

        await until(unready)
    process.signal(signal.SIGTERM)
    assert await process.ended() == 0, "a stop while NATS is away is in order as well"
    assert "Traceback" not in process.output


async def test_a_worker_that_still_waits_for_nats_stops_in_order(mortal: Nats, start_process: StartProcess) -> None:
    mortal.kill()
    process = start_process("echo", mortal.url)
    await process.said("NATS:")
    process.signal(signal.SIGTERM)
    assert await process.ended() == 0
    assert "Traceback" not in process.output


async def test_stopping_twice_stops_once(url: str, make_worker: MakeWorker) -> None:
    class Counted:
        stops = 0

        async def start(self) -> None:
            return None

        async def stop(self) -> None:
            self.stops += 1

    worker, service = make_worker(url), Counted()
    worker.add(service)
    await worker.start()
    assert worker.checks() == {"nats": True, "started": True}
    await asyncio.gather(worker.stop(), worker.stop())
    await worker.stop()
    assert service.stops == 1
    assert worker.checks()["started"] is False


async def test_a_service_that_was_not_started_is_not_stopped_and_one_that_fails_keeps_none_from_stopping(
    url: str, make_worker: MakeWorker
) -> None:
    events: list[str] = []

    class Named:
        def __init__(self, name: str, fault: str = "") -> None:
            self.name, self.fault = name, fault

        async def start(self) -> None:
            events.append(f"{self.name} starts")
            if self.fault == "start":
                raise LookupError(self.name)

        async def stop(self) -> None:
            events.append(f"{self.name} stops")
            if self.fault == "stop":
                raise LookupError(self.name)

    worker = make_worker(url)
    for service in (Named("first"), Named("second", "stop"), Named("third", "start"), Named("fourth")):
        worker.add(service)
    with pytest.raises(LookupError, match="third"):
        await worker.start()
    await worker.stop()
    assert events == [
        "first starts",
        "second starts",
        "third starts",
        "third stops",
        "second stops",
        "first stops",
    ]


def test_a_worker_is_made_without_a_server(make_worker: MakeWorker) -> None:
    worker = make_worker("nats://127.0.0.1:1")
    assert worker.checks() == {"nats": False, "started": False}
