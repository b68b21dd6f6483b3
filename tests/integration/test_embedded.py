"""Servers as child processes: real binaries, started, killed and started again."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nats
import psutil
import pytest
from pymongo import MongoClient
from redis import Redis

from cli.embedded.binaries import bundled_places
from cli.embedded.errors import ServerError
from cli.embedded.ports import LOOPBACK, pick
from cli.embedded.redis import KIND as REDIS
from cli.embedded.servers import ServerInfo, Servers
from tests.pace import PATIENCE_S
from tests.servers import Urls, empty_jetstream

NAMES = ["nats", "mongodb", "redis"]
HOLDER = """
import signal, sys
from pathlib import Path
from cli.embedded.servers import Servers
signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite in the background hands on that it is ignored
servers = Servers(Path(sys.argv[1]), use_urls=False, use_path=False).start()
print(*(info.pid for info in servers.values()), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Servers]]:
    """Makes unstarted Servers, in `tmp_path` unless told otherwise; stopped after the test."""
    made: list[Servers] = []

    def make(folder: Path = tmp_path, **options: Any) -> Servers:
        made.append(Servers(folder, **{"use_urls": False, "use_path": False, **options}))
        return made[-1]

    yield make
    for servers in made:
        servers.stop()


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[tuple["subprocess.Popen[str]", list[int]]]:
    """Another process that runs servers in `tmp_path`, and their process ids."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    yield process, [int(pid) for pid in process.stdout.readline().split()]
    process.kill()
    process.communicate()


def port_of(info: ServerInfo) -> int:
    return urlsplit(info.url).port or 0


def gone(pids: list[int], timeout_s: float = 10.0) -> bool:
    """True once none of the processes runs; an ended one that nobody has waited for does not count as running."""
    deadline = time.monotonic() + timeout_s
    while any(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_all_three_answer_with_a_version_that_will_do(start: Callable[..., Servers]) -> None:
    servers = start()
    infos = servers.start()
    assert list(infos) == NAMES
    assert {name: info.source for name, info in infos.items()} == dict.fromkeys(NAMES, "bundled")
    assert servers.poll() == dict.fromkeys(NAMES)
    assert infos["nats"].version >= "2.12"
    with MongoClient[dict[str, Any]](infos["mongodb"].url) as client:
        with client.start_session() as session, session.start_transaction():
            client.test.plans.insert_one({"_id": 1}, session=session)
        assert client.test.plans.count_documents({}) == 1
    with Redis.from_url(infos["redis"].url) as cache:
        assert cache.eval("return 2", 0) == 2
    assert all(servers.log_path(name).exists() for name in NAMES)


def test_a_second_start_finds_its_data_and_ports(start: Callable[..., Servers]) -> None:
    with start() as servers:
        first = servers.start()
        with MongoClient[dict[str, Any]](first["mongodb"].url) as client:
            client.test.plans.insert_one({"_id": "kept"})
    again = start().start()
    assert {name: info.url for name, info in again.items()} == {name: info.url for name, info in first.items()}
    with MongoClient[dict[str, Any]](again["mongodb"].url) as client:
        assert client.test.plans.find_one() == {"_id": "kept"}


def test_a_taken_port_is_replaced_and_mongod_becomes_primary_there(start: Callable[..., Servers]) -> None:
    with start() as servers:
        first = servers.start()
        with MongoClient[dict[str, Any]](first["mongodb"].url) as client:
            client.test.plans.insert_one({"_id": "kept"})
    with socket.socket() as other, socket.socket() as another:
        other.bind((LOOPBACK, port_of(first["mongodb"])))
        another.bind((LOOPBACK, port_of(first["nats"])))
        again = start().start()
    assert again["nats"].url != first["nats"].url
    assert again["mongodb"].url != first["mongodb"].url
    assert again["redis"].url == first["redis"].url
    with MongoClient[dict[str, Any]](again["mongodb"].url) as client:
        client.test.plans.insert_one({"_id": "new"})
        assert client.test.plans.count_documents({}) == 2


def test_a_port_lost_between_choice_and_start_is_replaced(
    start: Callable[..., Servers], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The race itself: the choice says free, but somebody listens there."""
    with socket.create_server((LOOPBACK, 0)) as other:
        taken = int(other.getsockname()[1])
        choices = iter([[taken, *pick(1)], [taken], [taken]])
        monkeypatch.setattr(
            "cli.embedded.servers.pick", lambda count, wanted=(): next(choices, None) or pick(count, wanted)
        )
        infos = start().start()
    assert taken not in {port_of(info) for info in infos.values()}
    assert list(infos) == NAMES


def test_stop_leaves_no_process_and_can_be_repeated(start: Callable[..., Servers]) -> None:
    servers = start()
    pids = [info.pid for info in servers.start().values() if info.pid]
    servers.stop()
    servers.stop()
    assert len(pids) == 3
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert servers.poll() == {}


def test_a_stopped_process_is_ended_too(start: Callable[..., Servers]) -> None:
    servers = start()
    pid = servers.start()["redis"].pid
    servers.signal("redis", signal.SIGSTOP)
    servers.stop()
    assert pid is not None
    assert not psutil.pid_exists(pid)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kill", [False, True], ids=["terminated", "killed"])
def test_a_restarted_server_keeps_its_address(own_servers: Servers, name: str, kill: bool) -> None:
    before = json.loads((own_servers.log_path(name).parent / "servers.json").read_text())[name]
    info = own_servers.restart(name, kill=kill)
    assert port_of(info) == before["ports"][0]
    assert info.pid != before["pid"]
    assert own_servers.poll()[name] is None


def test_a_killed_server_is_seen(own_servers: Servers) -> None:
    own_servers.signal("nats", signal.SIGKILL)
    deadline = time.monotonic() + 5
    while own_servers.poll()["nats"] is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert own_servers.poll() == {"nats": -9, "mongodb": None, "redis": None}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_servers_end_with_their_parent_however_it_ends(
    holder: tuple["subprocess.Popen[str]", list[int]], number: signal.Signals, start: Callable[..., Servers]
) -> None:
    process, pids = holder
    assert len(pids) == 3
    process.send_signal(number)
    process.wait()
    assert gone(pids)
    assert list(start().start()) == NAMES


def test_ctrl_c_in_the_terminal_does_not_reach_the_servers(own_servers: Servers) -> None:
    """It goes to the foreground process group; a session of its own is another group."""
    for name in NAMES:
        pid = json.loads((own_servers.log_path(name).parent / "servers.json").read_text())[name]["pid"]
        assert os.getsid(pid) == pid != os.getsid(0)


def test_a_second_run_in_the_same_folder_is_told_who_holds_it(
    holder: tuple["subprocess.Popen[str]", list[int]], start: Callable[..., Servers]
) -> None:
    process, pids = holder
    with pytest.raises(ServerError) as caught:
        start().start()
    assert f"process {process.pid}" in caught.value.message
    assert "another folder" in caught.value.hint
    assert all(psutil.pid_exists(pid) for pid in pids)


def test_two_folders_run_at_once(start: Callable[..., Servers], tmp_path: Path) -> None:
    one, two = start(tmp_path / "one").start(), start(tmp_path / "two").start()
    assert not {info.url for info in one.values()} & {info.url for info in two.values()}


def test_a_server_that_a_former_run_left_is_stopped(start: Callable[..., Servers], tmp_path: Path) -> None:
    """As on a system without PDEATHSIG: the server lives on, and its process id is in servers.json."""
    with start() as servers:
        servers.start()
        left = subprocess.Popen(
            [bundled_places(REDIS)[0], "--port", str(pick(1)[0]), "--dir", tmp_path / "redis", "--set-proc-title", "no"]
        )
    remembered = json.loads((tmp_path / "servers.json").read_text())
    remembered["redis"]["pid"] = left.pid
    (tmp_path / "servers.json").write_text(json.dumps(remembered))
    servers = start()
    servers.start()
    assert left.wait(5) is not None
    assert any(str(left.pid) in note for note in servers.notes)


@pytest.mark.parametrize(("says", "passed_over"), [("nats-server: v2.9.25", True), ("no idea", True)])
def test_a_program_on_path_that_is_too_old_is_passed_over_and_that_is_said(
    start: Callable[..., Servers], tmp_path: Path, says: str, passed_over: bool
) -> None:
    fake = tmp_path / "bin" / "nats-server"
    fake.parent.mkdir()
    fake.write_text(f"#!/bin/sh\necho '{says}'\n")
    fake.chmod(0o755)
    servers = start(env={"PATH": str(fake.parent)}, use_path=True)
    assert servers.start()["nats"].source == "bundled"
    assert [str(fake) in note and "passed over" in note for note in servers.notes] == [passed_over]


def test_a_program_on_path_that_is_new_enough_is_preferred(start: Callable[..., Servers], tmp_path: Path) -> None:
    program = tmp_path / "bin" / "redis-server"
    program.parent.mkdir()
    program.write_bytes(bundled_places(REDIS)[0].read_bytes())
    program.chmod(0o755)
    infos = start(env={"PATH": str(program.parent)}, use_path=True).start()
    assert (infos["redis"].source, infos["nats"].source) == ("path", "bundled")


def test_a_url_in_the_environment_is_used_as_it_is(
    start: Callable[..., Servers], servers: Urls, tmp_path: Path
) -> None:
    env = {"NATS_URL": servers.nats, "MONGODB_URL": servers.mongodb, "REDIS_URL": servers.redis}
    ours = start(tmp_path / "other", env=env, use_urls=True)
    infos = ours.start()
    assert {(info.source, info.pid) for info in infos.values()} == {("url", None)}
    assert infos["nats"].url == servers.nats
    assert ours.poll() == {}
    with pytest.raises(ServerError):
        ours.restart("nats")


def test_a_server_that_does_not_start_is_one_line_with_its_last_words(
    start: Callable[..., Servers], tmp_path: Path
) -> None:
    (tmp_path / "mongodb" / "data").mkdir(parents=True)
    (tmp_path / "mongodb" / "data" / "storage.bson").write_text("spoiled")
    servers = start()
    with pytest.raises(ServerError) as caught:
        servers.start()
    assert "mongod ended with code" in caught.value.message
    assert "\n" not in caught.value.message
    assert "mongodb.log" in caught.value.hint
    assert servers.poll() == {}


async def test_jetstream_is_emptied_between_tests(nats_url: str) -> None:
    async def streams() -> list[str]:
        return [stream.config.name or "" for stream in await client.jetstream(timeout=PATIENCE_S).streams_info()]

    client = await nats.connect(nats_url)
    for name in ("ONE", "TWO"):
        await client.jetstream(timeout=PATIENCE_S).add_stream(name=name, subjects=[name.lower()])
    assert await streams() == ["ONE", "TWO"]
    empty_jetstream(nats_url)
    assert await streams() == []
    await client.close()
