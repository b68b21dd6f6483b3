"""The tests' own promise: nothing connects to another machine."""

import socket

import pytest

from tests import guard


def test_a_connection_to_another_machine_is_refused_and_remembered() -> None:
    with socket.socket() as connection, pytest.raises(ConnectionRefusedError, match="tests may not"):
        connection.connect(("192.0.2.1", 80))
    assert guard.refused == ["192.0.2.1:80"]
    guard.refused.clear()  # else the fixture fails this test, which is its purpose


def test_loopback_is_allowed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        pass


@pytest.mark.parametrize(
    ("host", "allowed"), [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("10.0.0.1", False), ("a.b", False)]
)
def test_loopback_is_told_by_address(host: str, allowed: bool) -> None:
    assert guard.is_allowed(host, set()) is allowed
