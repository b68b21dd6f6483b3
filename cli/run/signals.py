"""The wish to end: SIGINT (Ctrl-C), SIGTERM and SIGHUP mean the same, and only the first one counts."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from types import FrameType, TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _raise() -> None:
    raise KeyboardInterrupt


class Interrupts:
    """While entered, the first signal raises KeyboardInterrupt, or cancels the coroutine that `run` runs.

    Later signals do nothing: stopping is under way by then, and an impatient second Ctrl-C must not leave processes.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._act: Callable[[], object] = _raise
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        """SIGHUP stays ignored where it is (nohup); an ignored SIGINT (a shell's `&`) is taken all the same."""
        wanted = [one for one in _SIGNALS if one != signal.SIGHUP or signal.getsignal(one) != signal.SIG_IGN]
        self._before = {number: signal.signal(number, self._on_signal) for number in wanted}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def close(self) -> None:
        """From here on signals are ignored: the caller is ending anyway."""
        self._act = lambda: None

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """`asyncio.run`, ended by the first signal through cancellation. Raises KeyboardInterrupt then."""

        async def guarded() -> T:
            task, loop = asyncio.ensure_future(main), asyncio.get_running_loop()
            self._act = lambda: loop.call_soon_threadsafe(task.cancel)
            try:
                return await task
            except asyncio.CancelledError:
                raise KeyboardInterrupt from None

        try:
            return asyncio.run(guarded())
        finally:
            self._act = _raise

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.received is None:
            self.received = number
            self._act()
