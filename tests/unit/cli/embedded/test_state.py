"""Ports, process ids and the lock of a state folder."""

import os
import socket
from pathlib import Path

import pytest

from cli.embedded import ports
from cli.embedded.errors import ServerError
from cli.embedded.process import stop_stale
from cli.embedded.state import Lock, Remembered, load, save


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    remembered = {"nats": Remembered([4222, 8222], 7), "redis": Remembered([6379])}
    save(tmp_path / "servers.json", remembered)
    assert load(tmp_path / "servers.json") == remembered


@pytest.mark.parametrize("content", ["", "{", "[]", '{"nats": 1}', '{"nats": {"ports": "x", "pid": null}}'])
def test_a_broken_file_is_as_good_as_none(tmp_path: Path, content: str) -> None:
    file = tmp_path / "servers.json"
    file.write_text(content)
    assert load(file) == {}


def test_a_folder_is_locked_by_one_at_a_time_and_the_holder_is_named(tmp_path: Path) -> None:
    first, second = Lock(tmp_path / "lock"), Lock(tmp_path / "lock")
    first.take()
    with pytest.raises(ServerError, match=f"process {os.getpid()}"):
        second.take()
    first.release()
    second.take()
    second.release()


def test_wanted_ports_are_kept_when_free_and_replaced_when_taken() -> None:
    wanted = ports.pick(2)
    assert ports.pick(2, wanted) == wanted
    with socket.socket() as other:
        other.bind((ports.LOOPBACK, wanted[0]))
        other.listen()
        assert not ports.is_free(wanted[0])
        fresh = ports.pick(2, wanted)
    assert len(set(fresh)) == 2
    assert not set(fresh) & {wanted[0]}


def test_ports_of_another_number_than_asked_for_are_not_kept() -> None:
    assert len(ports.pick(2, [1])) == 2


def test_a_recorded_process_id_that_belongs_to_another_program_is_left_alone(tmp_path: Path) -> None:
    assert stop_stale(os.getpid(), "mongod", tmp_path) is False
