"""Set-up in a clone of its own: interrupted anywhere it leaves an environment that is whole, or none."""

import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from cli.project import ROOT
from tests.forms import LONG, sized
from tests.wanted import want

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]
NOT_COPIED = shutil.ignore_patterns(".git", ".venv*", ".perpetua*", ".tools", ".*_cache", ".hypothesis", "__pycache__")
GROUP = sized("validator", "demo")
MOMENTS = sized(2, 20)
PATIENCE_S = 1200
# What is compiled is not what is tested; uv's own settings of this machine are.
ENV = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"} | {"UV_COMPILE_BYTECODE": "0"}


class Clone:
    """A copy of the project; `set_up` runs the set-up in it, until it ends or is interrupted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(ROOT, folder, ignore=NOT_COPIED)

    @property
    def venv(self) -> Path:
        return self.folder / ".venv"

    def set_up(self, moment: float | None = None, number: int = signal.SIGINT) -> tuple[int, str]:
        process = subprocess.Popen(
            ["sh", "tools/setup.sh", GROUP],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=ENV,
            start_new_session=True,
        )
        try:
            said, _ = process.communicate(timeout=PATIENCE_S if moment is None else moment)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, number)
            said, _ = process.communicate(timeout=PATIENCE_S)
        return process.returncode, said

    def lacks(self) -> str:
        """What is missing of the environment that stands there; nothing where there is none."""
        if not self.venv.exists():
            return ""
        done = subprocess.run(
            [self.venv / "bin" / "python", "-I", "tools/installed.py"],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stderr


def test_set_up_interrupted_at_any_moment_succeeds_the_next_time(tmp_path: Path) -> None:
    whole = Clone(tmp_path / "whole")
    began = time.monotonic()
    code, said = whole.set_up()
    took = time.monotonic() - began
    want("index", "index reachable?" not in said, "no package index answers here")
    assert (code, whole.lacks()) == (0, ""), said
    (whole.venv / "bin" / "uv").unlink()
    code, said = whole.set_up()
    assert (code, whole.lacks()) == (0, ""), f"a program that was lost is not brought back: {said}"

    clone = Clone(tmp_path / "clone")
    seed = sized(13, time.time_ns())
    chance = random.Random(seed)
    for number in range(MOMENTS):
        moment = took * (number + chance.random()) / MOMENTS
        code, said = clone.set_up(moment, chance.choice([signal.SIGINT, signal.SIGTERM, signal.SIGKILL]))
        assert clone.lacks() == "", f"seed {seed}, after {moment:.2f} of {took:.2f} s: {said}"
        (clone.venv / ".holds").unlink(missing_ok=True)  # what had become ready is to be made again
    code, said = clone.set_up()
    assert (code, clone.lacks()) == (0, ""), f"seed {seed}: {said}"
    assert clone.set_up() == (0, ""), "what stands is made again"
    if LONG:
        trades(clone)


def trades(clone: Clone) -> None:
    arguments = f"--for 10 --no-ui --state-dir {clone.folder}/state"
    done = subprocess.run(
        ["make", "demo", f"ARGS={arguments}"], cwd=clone.folder, capture_output=True, text=True, env=ENV, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
