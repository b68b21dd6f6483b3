"""The log: JSON lines without secrets."""

import json
import logging
import sys

import pytest

from libs.runtime.log import JsonFormatter, correlation, redact

SECRETS = {
    "a model key": ("key sk-or-v1-0123456789abcdef0123", "key sk-or-v***"),
    "a bearer token": ("Authorization: Bearer abc.def-ghi_jkl", "Authorization: Bearer ***"),
    "a password in a URL": ("mongodb://user:hunter22@db:27017/x", "mongodb://user:***@db:27017/x"),
    "a password without a user": ("redis://:hunter22@cache:6379/0", "redis://:***@cache:6379/0"),
    "a token as the user": ("nats://s3cr3tt0ken@bus:4222", "nats://***@bus:4222"),
    "a password with an at sign": ("nats://user:p@ss@bus:4222", "nats://user:***@bus:4222"),
    "two in one line": ("a://u:p1@h b://u:p2@h", "a://u:***@h b://u:***@h"),
}
HARMLESS = [
    "http://127.0.0.1:4222/path?at=user@example.org",
    "nats://127.0.0.1:4222",
    "order of user@example.org",
    "task-sk-1",
    "max_tokens=1000",
]


@pytest.mark.parametrize("case", SECRETS)
def test_it_takes_out(case: str) -> None:
    given, expected = SECRETS[case]
    assert redact(given) == expected


@pytest.mark.parametrize("text", HARMLESS)
def test_it_leaves_the_rest(text: str) -> None:
    assert redact(text) == text


def record(message: str, **extra: object) -> logging.LogRecord:
    made = logging.getLogger("a.b").makeRecord("a.b", logging.INFO, "f.py", 1, message, (), None)
    vars(made).update(extra)
    return made


def test_a_record_is_one_line_of_json_with_its_fields() -> None:
    line = JsonFormatter("feed", "feed-0").format(record("two\nlines", port=1, url="nats://u:secret@h"))
    assert "\n" not in line
    entry = json.loads(line)
    assert entry.pop("ts").endswith("+00:00")
    assert entry == {
        "level": "INFO",
        "logger": "a.b",
        "msg": "two\nlines",
        "service": "feed",
        "instance": "feed-0",
        "port": 1,
        "url": "nats://u:***@h",
    }


def test_a_record_carries_the_correlation_of_the_message_in_hand() -> None:
    token = correlation.set("req-1")
    try:
        assert json.loads(JsonFormatter("s", "i").format(record("x")))["correlation_id"] == "req-1"
    finally:
        correlation.reset(token)
    assert "correlation_id" not in json.loads(JsonFormatter("s", "i").format(record("x")))


def test_an_exception_is_in_the_record_without_its_secrets() -> None:
    made = record("failed")
    try:
        int("nats://u:hunter22@h")
    except ValueError:
        made.exc_info = sys.exc_info()
    line = JsonFormatter("s", "i").format(made)
    assert "hunter22" not in line
    assert json.loads(line)["exception"].endswith("'nats://u:***@h'")
