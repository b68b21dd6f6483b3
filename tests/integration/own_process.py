"""A worker as a process of its own, that may be killed, and is at the end."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from cli.project import ROOT


@contextlib.contextmanager
def own_process(
    service: str, environment: Mapping[str, str], output: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """What it prints is appended to `output`."""
    with contextlib.ExitStack() as stack:
        file = None if output is None else stack.enter_context(output.open("ab"))
        argv = [sys.executable, "-m", f"services.{service}.app"]
        child = stack.enter_context(
            subprocess.Popen(argv, cwd=ROOT, env=os.environ | environment, stdout=file, stderr=file)
        )
        stack.callback(child.kill)
        yield child
