"""Points at which a test may kill the process (`PERPETUA_FAILPOINT=<name>[:<n>]`, the n-th time). Nothing otherwise.

With `PERPETUA_FAILPOINT=later` the process names its point by `arm`, while it runs. `PERPETUA_FAILSIGNAL=SIGSTOP` makes
it fall asleep there instead.
"""

import os
import signal

_SPEC = os.environ.get("PERPETUA_FAILPOINT", "")
_NAME, _, _COUNT = _SPEC.partition(":")
_left = int(_COUNT or 1)
_SIGNAL = signal.Signals[os.environ.get("PERPETUA_FAILSIGNAL", "SIGKILL")]


def arm(name: str, count: int = 1) -> None:
    """Die at the `count`-th time that `name` is hit from now on."""
    global _NAME, _left
    _NAME, _left = name, count


def _kill(name: str) -> None:
    global _left
    if name != _NAME:
        return
    _left -= 1
    if _left == 0:
        os.kill(os.getpid(), _SIGNAL)


def _nothing(name: str) -> None:
    return None


hit = _kill if _SPEC else _nothing
