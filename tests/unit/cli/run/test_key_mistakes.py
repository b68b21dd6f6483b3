"""Keys and addresses of models that are wrong: what is told of them before a start."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from cli.run.preflight import of_models, wrong_address
from tests.unit.cli.run.test_mistakes import clean_environment

__all__ = ["clean_environment"]  # a fixture


@contextmanager
def model_server(status: int, body: str = "{}") -> Iterator[str]:
    """An OpenAI-compatible server that answers everything alike."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "body", "level", "said"),
    [
        (401, "{}", "fail", "openai-compatible refuses the key (HTTP 401)"),
        (402, "{}", "fail", "openai-compatible: the key has no credit left (HTTP 402)"),
        (500, "{}", "warn", "openai-compatible: what the key is worth is not proven (HTTP 500)"),
        (200, '{"data": []}', "ok", "openai-compatible takes the key (HTTP 200)"),
    ],
)
def test_a_key_is_told_by_what_its_server_says_and_never_shown(
    status: int, body: str, level: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with model_server(status, body) as url:
        monkeypatch.setenv("LLM_BASE_URL", url)
        monkeypatch.setenv("LLM_MODEL", "openai-compatible/own")
        monkeypatch.setenv("LLM_API_KEY", "sk-abcdefghijklmnop")
        found = [finding for finding in of_models(os.environ) if finding.what == "keys"]
    assert [(finding.level, finding.found) for finding in found] == [(level, said)]
    assert "abcdefgh" not in found[0].line()


def test_a_server_that_is_away_stops_no_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_BASE_URL", "http://127.0.0.1:1/v1")
    monkeypatch.setenv("LLM_MODEL", "openai-compatible/own")
    (found,) = [finding for finding in of_models(os.environ) if finding.what == "keys"]
    assert (found.level, "cannot be reached" in found.found) == ("warn", True)


def test_who_decides_is_named_whatever_keys_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-or-v1-abcdef")
    (found,) = of_models(os.environ)
    assert (found.level, found.found) == (
        "ok",
        "chain of models.yaml: all that name no model: builtin/trend decides",
    )


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("http://127.0.0.1:11434/v1", ""),
        ("https://models.example.org/v1/", ""),
        ("127.0.0.1:11434", "does not begin with http:// or https://"),
        ("ftp://models.example.org", "does not begin with http:// or https://"),
        ("http://", "names no host"),
        ("http://h:99999/v1", "is no URL"),
        ("http://h:0/v1", "has no port that can be called"),
        ("http://h/v1/chat/completions", "is the address of a call: the part before /chat/completions is wanted"),
    ],
)
def test_the_address_of_a_model_server_is_looked_at(url: str, wrong: str) -> None:
    assert wrong_address(url) == wrong
