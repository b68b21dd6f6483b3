"""`perpetua mcp` says in a line what it lacks."""

import subprocess
import sys

import pytest

WITHOUT = "import sys; sys.modules['mcp'] = None; from cli.main import run; run()"


@pytest.mark.parametrize(
    ("start", "options", "said"),
    [
        (("-c", WITHOUT), (), "mcp is not installed"),
        (("-m", "cli.main"), ("--allow-control",), "--allow-control wants a key of its own"),
        (("-m", "cli.main"), ("--http", "--key-file", "key"), "--key-file is for stdio"),
        (("-m", "cli.main"), ("--key-file", "/nowhere/key"), "/nowhere/key holds no key"),
    ],
    ids=["the package", "a key that may", "no key over HTTP", "a file with a key"],
)
def test_what_is_missing_is_a_line_and_a_hint(start: tuple[str, ...], options: tuple[str, ...], said: str) -> None:
    command = [sys.executable, *start, "mcp", "--url", "http://127.0.0.1:1", *options]
    told = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, input="")
    assert (told.returncode, told.stdout) == (1, "")
    assert [line.partition(": ")[0] for line in told.stderr.splitlines()] == ["error", "hint"], told.stderr
    assert told.stderr.startswith(f"error: {said}")
