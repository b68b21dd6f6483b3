"""JSON lines on stderr, one object a record, with correlation ids; values that look like keys are taken out."""

import json
import logging
import re
import sys
from contextvars import ContextVar
from datetime import UTC, datetime

from libs.runtime import tracing

correlation: ContextVar[str | None] = ContextVar("correlation", default=None)

_SECRETS = re.compile(
    r"(sk-[A-Za-z0-9_-]{4})[A-Za-z0-9_-]{8,}"
    r"|(Bearer )[A-Za-z0-9._~+/=-]{8,}"
    r"|(://(?:[^:/@\s\"]*:)?)[^/?#\s\"]+(?=@)"  # a password in a URL, with or without a user; a token alone
)
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def redact(text: str) -> str:
    """Text without API keys, bearer tokens and passwords in URLs."""
    return _SECRETS.sub(lambda m: f"{m[1] or m[2] or m[3]}***", text)


class JsonFormatter(logging.Formatter):
    """One line of JSON a record; `extra` fields become keys."""

    def __init__(self, service: str, instance: str) -> None:
        super().__init__()
        self._fixed = {"service": service, "instance": instance}

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "msg": record.getMessage(),
            **self._fixed,
        }
        if (correlation_id := correlation.get()) is not None:
            entry["correlation_id"] = correlation_id
        if (context := tracing.current()) is not None:
            entry["trace_id"] = context[3:35]
        entry.update({k: v for k, v in vars(record).items() if k not in _STANDARD and not k.startswith("_")})
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return redact(json.dumps(entry, default=str))


def configure(service: str, instance: str, level: str) -> None:
    """Make the root logger write JSON lines to stderr; chatty libraries only from WARNING on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(service, instance))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("nats", "faststream", "uvicorn", "uvicorn.access", "httpx", "httpcore", "LiteLLM", "pymongo"):
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
