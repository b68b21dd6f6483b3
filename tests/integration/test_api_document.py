"""The examples of docs/api.md do what the page says."""

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

from libs.runtime.sockets import LastingServer
from tests.integration.serving import served, started

pytestmark = pytest.mark.integration

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
EXAMPLES = re.findall(r"^```(bash|python)\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


async def run(kind: str, text: str, variables: dict[str, str]) -> tuple[int, str]:
    command = ["bash", "-euo", "pipefail", "-c", text] if kind == "bash" else [sys.executable, "-c", text]
    child = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await child.communicate()
    return child.returncode or 0, said.decode()


async def test_every_example_runs(nats_url: str, mongo_url: str, mongo_db_name: str) -> None:
    assert {kind for kind, _ in EXAMPLES} == {"bash", "python"}
    async with started(nats_url, mongo_url, mongo_db_name) as running:
        server = LastingServer(served(running.gateway), "127.0.0.1", 0)
        await server.begin()
        port = server.servers[0].sockets[0].getsockname()[1]
        variables = {"API": f"http://127.0.0.1:{port}/api/v1", "KEY": running.admin}
        try:
            for kind, text in EXAMPLES:
                code, said = await run(kind, text, variables)
                assert code == 0, f"{text}\n{said}"
        finally:
            await server.end()
