"""Versions and addresses, as servers and users write them."""

import pytest

from cli.embedded.errors import ServerError
from cli.embedded.errors import ServerError as SameError
from cli.embedded.kind import first_host, is_old, parse_version, version_behind, without_credentials
from cli.embedded.mongo import KIND as MONGO
from cli.embedded.nats import KIND as NATS
from cli.embedded.redis import KIND as REDIS


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("nats-server: v2.15.1", "2.15.1"),
        ('db version v6.0.5\nBuild Info: {\n "version": "6.0.5"', "6.0.5"),
        ("Redis server v=6.2.14 sha=40305114:0 malloc=libc bits=64", "6.2.14"),
        ("8.0.0-rc1", "8.0.0"),
        ("usage: mongod [options]", None),
        ("", None),
    ],
)
def test_a_version_is_read_from_what_a_program_prints(text: str, version: str | None) -> None:
    assert parse_version(text) == version


@pytest.mark.parametrize(
    ("version", "minimum", "old"),
    [
        ("2.9.25", (2, 12), True),
        ("2.12.0", (2, 12), False),
        ("2.100.0", (2, 12), False),
        ("10.0.0", (6, 2), False),
        ("nonsense", (6, 2), True),
    ],
)
def test_versions_compare_as_numbers(version: str, minimum: tuple[int, int], old: bool) -> None:
    assert is_old(version, minimum) is old


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("nats://user:secret@host:4222", "nats://host:4222"),
        ("nats://a:secret@one:1,nats://b:secret@two:2", "nats://one:1,two:2"),
        ("mongodb+srv://u:secret@cluster/db?password=secret", "mongodb+srv://cluster/db"),
        ("redis://:secret@host", "redis://host"),
        ("secret", "(not an address)"),
    ],
)
def test_no_credentials_are_shown(url: str, shown: str) -> None:
    assert without_credentials(url) == shown


def test_the_first_of_several_hosts_is_asked() -> None:
    assert first_host("nats://u:p@one:4000,nats://two:4001", 4222) == ("one", 4000)
    assert first_host("nats://one", 4222) == ("one", 4222)
    with pytest.raises(ValueError, match="no host"):
        first_host("one:4222", 4222)


@pytest.mark.parametrize("kind", [NATS, REDIS], ids=lambda kind: kind.name)
def test_a_url_where_nobody_answers_is_an_error_with_a_hint_and_no_password(kind, unused_tcp_port: int) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ServerError) as caught:
        version_behind(kind, f"{kind.name}://user:secret@127.0.0.1:{unused_tcp_port}")
    assert kind.variable in caught.value.message
    assert kind.variable in caught.value.hint
    assert "secret" not in str(caught.value)


def test_an_error_is_one_line_and_a_hint() -> None:
    error = SameError("it\nfailed", "do\n that")
    assert (error.message, error.hint) == ("it failed", "do that")


def test_mongods_last_words_are_its_first_error() -> None:
    log = '{"s":"I","msg":"hello"}\n{"s":"E","msg":"Error setting up listener","attr":{"error":"taken"}}\nnot json\n'
    assert MONGO.last_words(log) == "Error setting up listener taken"
    assert MONGO.last_words("cannot execute\n") == "cannot execute"
