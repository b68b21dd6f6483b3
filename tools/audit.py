"""`make audit`: all pins against what is known of weaknesses, by pip-audit.

Never in CI: it asks a service outside. Behind some indexes that service knows no package, and pip-audit then says "No
known vulnerabilities found". So what was not looked up is printed and fails, and a version that is known to be weak
must be found so.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.paths import ROOT
from tools.pins import Pin, pins_of

PINS = tuple(ROOT / "requirements" / name for name in ("dev.txt", "bootstrap.txt", "audit.txt", "page.txt"))
CANARY = Pin("jinja2", "2.4.1", ("0" * 64,))  # CVE-2014-1402 and others
SOUND, WEAK, UNKNOWN = 0, 1, 2


@dataclass(frozen=True, slots=True)
class AuditResult:
    """`code` is SOUND, WEAK or UNKNOWN: something could not be looked up."""

    code: int
    lines: tuple[str, ...]


def judged(report: Sequence[dict[str, Any]], pins: Sequence[Pin]) -> AuditResult:
    """Of pip-audit's `dependencies`, which hold the canary too."""
    by_pin = {(row["name"].lower(), row.get("version", "")): row for row in report}
    skipped = {row["name"].lower(): row["skip_reason"] for row in report if "skip_reason" in row}
    weak = [line for pin in pins for line in _weaknesses(pin, by_pin.get((pin.name.lower(), pin.version), {}))]
    missing = [pin for pin in pins if (pin.name.lower(), pin.version) not in by_pin]
    unknown = [
        f"not looked up: {pin.name} {pin.version}: {skipped.get(pin.name.lower(), 'no answer')}" for pin in missing
    ]
    canary = by_pin.get((CANARY.name, CANARY.version), {})
    if not canary.get("vulns"):
        unknown.append(
            f"{CANARY.name} {CANARY.version} is known to be weak and was not found so: who was asked knows nothing"
        )
    told = f"{len(pins) - len(missing)} of {len(pins)} pins looked up, {len(weak)} known weaknesses"
    return AuditResult(UNKNOWN if unknown else WEAK if weak else SOUND, (*weak, *unknown, told))


def _weaknesses(pin: Pin, row: dict[str, Any]) -> Iterator[str]:
    for known in row.get("vulns", ()):
        mended = ", ".join(known.get("fix_versions") or ["no version"])
        names = " ".join((known["id"], *known.get("aliases", ())))
        yield f"weak: {pin.name} {pin.version}: {names}; mended in {mended}"


def asked(program: str, pins: Sequence[Pin]) -> list[dict[str, Any]]:
    """Raises subprocess.CalledProcessError where pip-audit itself fails."""
    with tempfile.TemporaryDirectory() as folder:
        (file := Path(folder) / "pins.txt").write_text("".join(map(_line, pins)))
        options = ["--requirement", str(file), "--disable-pip", "--require-hashes", "--format", "json"]
        done = subprocess.run(
            [program, *options, "--progress-spinner", "off"], capture_output=True, text=True, check=False
        )
    if not done.stdout.strip():
        raise subprocess.CalledProcessError(done.returncode, program, stderr=done.stderr)
    rows: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    return rows


def rounds(pins: Sequence[Pin]) -> list[list[Pin]]:
    """pip-audit takes one version of a package at a time; what depends on the Python has two."""
    made: list[list[Pin]] = []
    for pin in pins:
        free = next((one for one in made if pin.name.lower() not in {other.name.lower() for other in one}), None)
        if free is None:
            made.append([pin])
        else:
            free.append(pin)
    return made


def _line(pin: Pin) -> str:
    return f"{pin.name}=={pin.version} {' '.join(f'--hash=sha256:{digest}' for digest in pin.digests)}\n"


def main() -> int:
    program = sys.argv[1]
    pins = sorted({(pin.name.lower(), pin.version): pin for file in PINS for pin in pins_of(file)}.values(), key=str)
    try:
        report = [row for each in rounds([*pins, CANARY]) for row in asked(program, each)]
    except subprocess.CalledProcessError as error:
        sys.stderr.write(f"pip-audit failed, nothing is known: {(error.stderr or '').strip()[-300:]}\n")
        return UNKNOWN
    result = judged(report, pins)
    sys.stdout.write("".join(f"{line}\n" for line in result.lines))
    return result.code


if __name__ == "__main__":
    sys.exit(main())
