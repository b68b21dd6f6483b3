"""The Dockerfile: hadolint, and what it takes into an image."""

import re
import subprocess
import sys
from pathlib import Path

from cli.run.workers import TABLE
from services.gateway.settings import PAGE
from tools.deploy.facts import IMAGES, OPS_PORT, UID, VERSION
from tools.paths import ROOT

FILE = ROOT / "Dockerfile"
PIN = re.compile(r"^[\w.-]+==[^\n]*\n(?: +--hash=[^\n]*\n?)*", re.MULTILINE)
HADOLINT = Path(sys.executable).parent / "hadolint"


def _lint(text: str) -> str:
    done = subprocess.run([HADOLINT, "-"], input=text, capture_output=True, text=True, check=False)
    return done.stdout


def test_hadolint_has_nothing_to_say() -> None:
    assert _lint(FILE.read_text()) == ""


def test_hadolint_is_heard() -> None:
    assert "DL3008" in _lint(FILE.read_text().replace("# hadolint ignore=DL3008\n", ""))


def test_each_image_has_its_pins_with_hashes() -> None:
    for name in IMAGES:
        pins = (ROOT / "requirements" / f"{name}.txt").read_text()
        entries = PIN.findall(pins)
        assert len(entries) > 20
        assert all("--hash=sha256:" in entry for entry in entries)


def test_litellm_and_ccxt_come_into_the_images_that_need_them() -> None:
    def with_package(name: str) -> set[str]:
        files = {image: (ROOT / "requirements" / f"{image}.txt").read_text() for image in IMAGES}
        return {image for image, pins in files.items() if f"\n{name}==" in f"\n{pins}"}

    assert with_package("litellm") == {row.name for row in TABLE if "model" in row.outside}
    assert with_package("ccxt") <= {row.name for row in TABLE if "exchange" in row.outside}


def test_the_dockerfile_says_what_the_facts_say() -> None:
    lines = FILE.read_text().splitlines()
    assert f"ARG VERSION={VERSION}" in lines
    assert f"USER {UID}:{UID}" in lines
    assert f"EXPOSE {OPS_PORT}" in lines
    assert "STOPSIGNAL SIGTERM" in lines


def test_what_reaches_a_build_is_what_the_dockerfile_copies() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    copied = re.findall(r"^COPY (?!--from)(\S+) \S+$", FILE.read_text(), re.MULTILINE)
    assert lines[0] == "*"
    assert {line.removeprefix("!") for line in lines if line.startswith("!")} == {*copied}
    assert all((ROOT / folder).is_dir() for folder in copied)


def test_the_page_comes_into_the_image_of_the_gateway_alone() -> None:
    """Where the gateway looks for it."""
    assert 'if [ "${SERVICE}" = gateway ]; then' in FILE.read_text()
    assert f"--outDir /app/{PAGE.relative_to(ROOT)} " in FILE.read_text()
