"""A span for each command of MongoDB, by its driver's events: the instrumentation that others publish holds back all
of OpenTelemetry. Names alone: never what a command says."""

from contextlib import ExitStack
from typing import Any

from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from libs.runtime import tracing

QUIET = frozenset({"ping", "hello", "endSessions", "killCursors", "getMore"})


class CommandSpans(CommandListener):
    """Started and ended in the task that made the call."""

    def __init__(self) -> None:
        self._open: dict[int, tuple[ExitStack, tracing.Span]] = {}

    def started(self, event: CommandStartedEvent) -> None:
        if event.command_name in QUIET:
            return
        told = event.command.get(event.command_name)
        about: dict[str, Any] = {"db.system.name": "mongodb", "db.operation.name": event.command_name}
        if isinstance(told, str):
            about["db.collection.name"] = told
        stack = ExitStack()
        opened = stack.enter_context(tracing.client(f"mongodb {event.command_name}", about))
        self._open[event.request_id] = (stack, opened)

    def succeeded(self, event: CommandSucceededEvent) -> None:
        self._end(event.request_id)

    def failed(self, event: CommandFailedEvent) -> None:
        self._end(event.request_id, "failed")

    def _end(self, request_id: int, error: str | None = None) -> None:
        stack, opened = self._open.pop(request_id, (None, None))
        if stack is None or opened is None:
            return
        if error is not None:
            opened.set("error.type", error)
        stack.close()
