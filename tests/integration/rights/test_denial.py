"""What a user may not do is told with its subject, not by a time-out alone."""

import asyncio
import logging

import pytest
from prometheus_client import CollectorRegistry

from cli.connection import connected
from libs.runtime.connection import Connection
from libs.runtime.metrics import DeliveryMetrics
from libs.runtime.reader import OrderedReader
from libs.runtime.settings import RuntimeSettings
from libs.schemas.rights import BY_NAME, OBSERVER
from tests.integration.rights.server import RightsServer

pytestmark = pytest.mark.integration


async def test_a_worker_logs_what_it_was_refused_once_for_each_subject(
    server: RightsServer, caplog: pytest.LogCaptureFixture
) -> None:
    settings = RuntimeSettings(nats_url=server.url("validator"), instance="validator-1")
    connection = Connection(settings, DeliveryMetrics(CollectorRegistry()), "validator")
    await connection.broker.connect()
    connection.expect_close()
    with caplog.at_level(logging.ERROR, "libs.runtime.connection"):
        for subject in ("order.filled.main", "order.filled.main", "$KV.config.account.main", "the.end"):
            await connection.bus.nc.publish(subject, b"{}")
        async with asyncio.timeout(10):
            while "the.end" not in caplog.text:  # noqa: ASYNC110 - a log has no event
                await asyncio.sleep(0.01)
    await connection.close()
    told = [record.getMessage() for record in caplog.records]
    assert [line.split('"')[1] for line in told] == ["order.filled.main", "$kv.config.account.main", "the.end"]
    assert all(line.startswith("NATS refuses this user: permissions violation for publish") for line in told)


async def test_a_command_says_what_its_user_was_refused(
    server: RightsServer, capsys: pytest.CaptureFixture[str]
) -> None:
    async with connected(server.url(OBSERVER)) as bus:
        await bus.nc.publish("control.requested.all", b"{}")
        async with asyncio.timeout(10):
            while not (told := capsys.readouterr().err):  # noqa: ASYNC110 - a stream has no event
                await asyncio.sleep(0.01)
    assert told == 'NATS refuses this user: permissions violation for publish to "control.requested.all"\n'


async def test_an_observer_reads_every_stream_but_those_of_callers_secrets(server: RightsServer) -> None:
    names = {str(info.config.name) for info in await server.streams()} - {"KV_keys", "KV_claims"}
    assert names == set(BY_NAME[OBSERVER].reads)
    async with connected(server.url(OBSERVER)) as bus:
        for name in names:
            reader = OrderedReader(bus, name, [">"], lambda record: None)
            await reader.start()
            await asyncio.wait_for(reader.caught_up(), 10)
            await reader.stop()
