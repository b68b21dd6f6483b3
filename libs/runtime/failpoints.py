"""Points at which a test may kill the process (`PERPETUA_FAILPOINT=<name>[:<n>]`, the n-th time). Nothing otherwise."""

import os
import signal

_SPEC = os.environ.get("PERPETUA_FAILPOINT", "")
_NAME, _, _COUNT = _SPEC.partition(":")
_left = int(_COUNT or 1)


def _kill(name: str) -> None:
    global _left
    if name != _NAME:
        return
    _left -= 1
    if _left == 0:
        os.kill(os.getpid(), signal.SIGKILL)


def _nothing(name: str) -> None:
    return None


hit = _kill if _SPEC else _nothing
