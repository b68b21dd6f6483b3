"""The notifier on a real NATS server, and receivers on this machine: what is raised is told, whatever happens."""

import asyncio
import contextlib
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import nats
import pytest
import yaml
from nats.js import JetStreamContext
from prometheus_client import CollectorRegistry

from cli.ask.dead_replay import replay
from cli.ask.notify import line, try_routes
from cli.errors import CliError
from libs.runtime.provision import provision_nats
from libs.runtime.worker import Worker
from libs.schemas import subjects
from libs.schemas.analytics import Alert
from libs.schemas.dead import DeadLetter
from libs.schemas.ids import told_event_id
from libs.schemas.names import key_of
from libs.schemas.orders import PositionEvent
from libs.schemas.topology import Durable
from services.notifier.app import create_app
from services.notifier.settings import Settings
from tests import builders
from tests.fakes.notifier_ports import alert
from tests.fakes.receiver import SECRET, Receiver, receiver
from tests.forms import sized
from tests.integration.own_process import own_process
from tests.pace import PATIENCE_S

DESK, PHONE = key_of("desk"), key_of("phone")
MAIN = key_of("main")
ENV = {"PERPETUA_NOTIFY_DESK_KEY": SECRET}
IN_HAND = 8
pytestmark = pytest.mark.integration


@dataclass
class Setting:
    """A provisioned server, a folder of configuration, and a receiver."""

    url: str
    js: JetStreamContext
    folder: Path
    desk: Receiver
    events: list[str] = field(default_factory=list)

    def write(self, **routes: dict[str, object]) -> None:
        (self.folder / "notifications.yaml").write_text(yaml.safe_dump({"routes": routes}))

    @property
    def log(self) -> Path:
        """What processes say, from DEBUG on."""
        return self.folder / "notifier.log"

    async def raise_alert(self, n: int = 1, **changes: object) -> str:
        body = alert(n, **changes)
        return await self._publish(subjects.alert_raised(MAIN), body, body.alert_id, "alert.raised")

    async def close_position(self, event: PositionEvent) -> str:
        return await self._publish(subjects.position_event("closed", MAIN), event, event.event_id, "position.closed")

    async def _publish(self, subject: str, body: Alert | PositionEvent, source_id: str, kind: str) -> str:
        headers = {"Nats-Msg-Id": f"{kind}:{source_id}"}
        await self.js.publish(subject, body.model_dump_json().encode(), headers=headers)
        self.events.append(told_event_id(kind, source_id))
        return self.events[-1]

    async def settled(self, durable: Durable = subjects.NOTIFIER_NOTICES) -> None:
        """Return when the durable has nothing before it and nothing in hand."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                info = await self.js.consumer_info(durable.stream, durable.name)
                if info.delivered and info.delivered.consumer_seq and not info.num_pending and not info.num_ack_pending:
                    return
                await asyncio.sleep(0.02)

    async def letters(self) -> list[DeadLetter]:
        info = await self.js.stream_info("DEAD")
        messages = [
            await self.js.get_msg("DEAD", n, direct=True)
            for n in range(max(1, info.state.first_seq), info.state.last_seq + 1)
        ]
        return [DeadLetter.model_validate_json(message.data or b"") for message in messages]


@pytest.fixture
async def setting(nats_url: str, tmp_path: Path) -> AsyncIterator[Setting]:
    nc = await nats.connect(nats_url)
    try:
        async with receiver() as desk:
            js = nc.jetstream(timeout=PATIENCE_S)
            await provision_nats(js)
            made = Setting(nats_url, js, tmp_path, desk)
            made.write(desk={"webhook": desk.url, "key": "${DESK_KEY}", "kinds": ["alerts", "position.closed"]})
            yield made
    finally:
        await nc.close()


@contextlib.asynccontextmanager
async def notifier(setting: Setting, name: str = "n") -> AsyncIterator[Worker]:
    settings = Settings(nats_url=setting.url, instance=name, config_dir=setting.folder, graceful_timeout=2)
    worker = create_app(settings, ENV)
    await worker.start()
    try:
        yield worker
    finally:
        await worker.stop()


def count(registry: CollectorRegistry, name: str, **labels: str) -> float:
    return registry.get_sample_value(f"perpetua_notifier_{name}_total", labels) or 0.0


async def test_an_alert_and_a_closed_position_reach_the_receiver_signed_and_once(setting: Setting) -> None:
    event = builders.position_event(kind="closed", before=builders.position(), after=None)
    async with notifier(setting) as worker, asyncio.timeout(PATIENCE_S):
        wanted = {await setting.raise_alert(), await setting.close_position(event)}
        got = await setting.desk.until(2)
        await setting.settled()
    assert {one.event_id for one in got} == wanted
    assert all(one.is_signed() for one in got)
    assert {one.data["kind"] for one in got} == {"drawdown_limit", "position.closed"}
    assert count(worker.registry, "notices", route="desk", outcome="sent") == 2


async def test_each_route_gets_what_it_takes_and_people_get_it_together(setting: Setting) -> None:
    async with receiver() as phone:
        setting.write(
            desk={"webhook": setting.desk.url},
            phone={"apprise": phone.url.replace("http", "json", 1), "severity": "warning", "group_s": 1},
        )
        async with notifier(setting), asyncio.timeout(PATIENCE_S):
            for n, severity in enumerate(("info", "warning", "warning")):
                await setting.raise_alert(n, severity=severity)
            await setting.desk.until(3)
            await phone.until(1)
            await setting.settled()
        assert sorted(setting.desk.times) == sorted(setting.events)
        told = b"\n".join(got.body for got in phone.got).decode()
    assert ("number 0" in told, "number 1" in told, "number 2" in told) == (False, True, True)


async def test_what_a_receiver_does_not_take_is_told_again_under_the_same_id(setting: Setting) -> None:
    setting.desk.script.extend((503, 200))
    async with notifier(setting) as worker, asyncio.timeout(PATIENCE_S):
        event = await setting.raise_alert()
        first, second = await setting.desk.until(2)
        await setting.settled()
    assert (first.event_id, second.event_id, first.body) == (event, event, second.body)
    assert count(worker.registry, "possible_repeats", route="desk") == 0


async def test_a_dead_letter_is_told_when_it_is_replayed(setting: Setting) -> None:
    setting.desk.script.append(410)
    async with notifier(setting), asyncio.timeout(PATIENCE_S):
        event = await setting.raise_alert()
        await setting.desk.until(1)
        await setting.settled()
        (letter,) = await setting.letters()
        (done,) = await replay(setting.url, [letter.dead_letter_id], every=False, stream=None)
        await setting.desk.until(2)
    assert done.replayed_as is not None
    assert setting.desk.times == {event: 2}


async def test_what_it_refuses_for_good_is_a_dead_letter_without_secrets(setting: Setting) -> None:
    setting.desk.script.append(410)
    async with notifier(setting), asyncio.timeout(PATIENCE_S):
        await setting.raise_alert()
        await setting.desk.until(1)
        await setting.settled()
    (letter,) = await setting.letters()
    assert (letter.error.code, letter.error.message) == ("undelivered", "desk: webhook: answered 410")
    assert (letter.durable, letter.subject) == ("notifier-notices", "notice.requested.desk")
    text = letter.model_dump_json()
    assert SECRET not in text and setting.desk.url not in text


async def test_two_copies_share_the_work(setting: Setting) -> None:
    async with notifier(setting, "a"), notifier(setting, "b"), asyncio.timeout(PATIENCE_S):
        for n in range(40):
            await setting.raise_alert(n)
        await setting.desk.until(40)
        await setting.settled()
    assert setting.desk.times == dict.fromkeys(setting.events, 1)


async def test_a_test_goes_through_the_running_notifier_and_says_what_came_of_it(setting: Setting) -> None:
    setting.write(desk={"webhook": setting.desk.url}, phone={"webhook": f"{setting.desk.url}/phone"})
    setting.desk.script.append(404)
    async with notifier(setting), asyncio.timeout(PATIENCE_S):
        (failed,) = [line(one) async for one in try_routes(setting.url, [DESK])]
        sent = sorted([line(one) async for one in try_routes(setting.url, [DESK, PHONE])])
    assert failed == "desk: not sent: webhook: answered 404"
    assert sent == ["desk: sent", "phone: sent"]
    assert await setting.letters() == []


async def test_without_a_notifier_a_test_says_so(setting: Setting) -> None:
    with pytest.raises(CliError, match=r"^the notifier has not said within 0\.5 s what became of desk \(does it run"):
        async for _ in try_routes(setting.url, [DESK], 0.5):
            pass


@contextlib.contextmanager
def process(setting: Setting, failpoint: str) -> Iterator[subprocess.Popen[bytes]]:
    env = ENV | {"NATS_URL": setting.url, "PERPETUA_CONFIG_DIR": str(setting.folder)}
    env |= {"PERPETUA_NOTIFIER_CONCURRENCY": str(IN_HAND), "PERPETUA_FAILPOINT": failpoint}
    env |= {"PERPETUA_LOG_LEVEL": "DEBUG"}
    with own_process("notifier", env, setting.log) as child:
        yield child


@pytest.mark.slow
async def test_kills_lose_nothing_and_a_receiver_that_drops_repeats_has_each_event_once(setting: Setting) -> None:
    """Each process is killed when it has told its n-th notice and before it could say so."""
    kills, alerts = sized(3, 30), sized(60, 600)
    for n in range(alerts):
        await setting.raise_alert(n, created_at=datetime.now(UTC))
    for kill in range(kills):
        with process(setting, f"notifier.after_send:{5 + kill}") as victim:
            assert await asyncio.to_thread(victim.wait, 120) == -signal.SIGKILL
    async with notifier(setting), asyncio.timeout(PATIENCE_S):
        await asyncio.gather(*(setting.settled(one) for one in (subjects.NOTIFIER_ALERTS, subjects.NOTIFIER_NOTICES)))
    times = setting.desk.times
    assert set(times) == set(setting.events)
    repeats = sum(times.values()) - len(times)
    assert kills <= repeats <= kills * IN_HAND, f"{repeats} repeats around {kills} kills"
    assert await setting.letters() == []
    said = setting.log.read_text()
    assert "notifier is ready" in said
    assert "/hook" not in said and SECRET not in said
