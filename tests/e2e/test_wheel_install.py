"""The wheel in an empty environment, installed as the page says, trades (long form alone: it wants an index)."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from cli.project import ROOT

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(3600)]
BLOCK = re.compile(r"## From a wheel\n.*?\n```\n(.*?)```", re.DOTALL)


def test_the_page_leads_from_the_wheel_to_a_demo(tmp_path: Path) -> None:
    (found,) = BLOCK.findall((ROOT / "docs" / "operations.md").read_text())
    kept = ("PATH", "PIP_", "SSL_", "REQUESTS_", "UV_", "LANG", "TMPDIR", "http", "HTTP", "no_proxy", "NO_PROXY")
    env = {key: value for key, value in os.environ.items() if key.startswith(kept)} | {"HOME": str(tmp_path)}
    env |= _of_pip()
    done = subprocess.run(["sh", "-ex"], input=found, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert re.search(r"^ready after [\d.]+ s; synthetic market", done.stdout, re.MULTILINE), done.stdout
    assert re.search(r"\b[1-9]\d* decisions", done.stdout), done.stdout
    assert (tmp_path / ".perpetua" / "market").read_text() == "synthetic market 1\n"
    page = list((tmp_path / "perpetua").rglob("site-packages/services/gateway/page/index.html"))
    assert len(page) == ("whl (with the page, " in done.stdout), done.stdout
    assert list((tmp_path / "perpetua").rglob("site-packages/.perpetua")) == []


def _of_pip() -> dict[str, str]:
    """Its configuration, which lies below the home that this test does not give."""
    file = Path.home() / ".config" / "pip" / "pip.conf"
    return {"PIP_CONFIG_FILE": str(file)} if file.exists() else {}
