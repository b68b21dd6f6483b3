"""What a short command brings in: imports are most of its processor time."""

import subprocess
import sys

import pytest

HEAVY = ("litellm", "ccxt", "pymongo", "redis", "faststream", "uvicorn", "fastapi", "httpx", "apprise", "opentelemetry")


@pytest.mark.parametrize(
    ("module", "more"),
    [
        pytest.param("cli.main", ("nats", "pydantic", "yaml", "psutil", "numpy"), id="every command, --help"),
        pytest.param("cli.ask.context", (), id="context show"),
        pytest.param("cli.ask.market", ("numpy", "talib"), id="market"),
        pytest.param("cli.ask.status", ("numpy", "talib"), id="status"),
        pytest.param("cli.ask.configuring", ("numpy", "talib"), id="account, strategy, config"),
        pytest.param("cli.ask.controls", ("numpy", "talib"), id="control"),
    ],
)
def test_a_command_imports_no_more_than_it_needs(module: str, more: tuple[str, ...]) -> None:
    code = f"import sys, {module}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    brought = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert set(brought) & {*HEAVY, *more} == set()
