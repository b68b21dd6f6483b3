"""Failpoints kill at their point, and are nothing otherwise."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from libs.runtime import failpoints

ROOT = Path(__file__).parents[3]
PROGRAM = "from libs.runtime.failpoints import hit\nfor n in range(3):\n    hit('a.b')\n    print(n)\n"


def test_without_the_variable_a_failpoint_does_nothing() -> None:
    failpoints.hit("anything")


@pytest.mark.parametrize(("spec", "printed"), [("a.b", ""), ("a.b:3", "0\n1\n"), ("c.d", "0\n1\n2\n")])
def test_the_process_is_killed_at_the_point_for_the_nth_time(spec: str, printed: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-u", "-c", PROGRAM],
        cwd=ROOT,
        env={**os.environ, "PERPETUA_FAILPOINT": spec},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stdout == printed
    assert ended.returncode == (0 if spec == "c.d" else -signal.SIGKILL)
