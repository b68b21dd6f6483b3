"""`make sbom`: what is in each image and in an installation, in the form of CycloneDX 1.6, of the pins themselves.

The same pins give the same files: no time, no random number.
"""

import json
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tools.deploy import facts
from tools.paths import ROOT
from tools.pins import Pin, pins_of

TARGET = ROOT / "dist" / "sbom"
PINS = ROOT / "requirements"
NAMES = (*facts.IMAGES, "demo", "dev")
LICENSE: str = facts.PROJECT["project"]["license"]


def bill(name: str, pins: Sequence[Pin]) -> dict[str, Any]:
    """Digests are those of all files of a package that the pin lets in."""
    subject = f"pkg:generic/perpetua-{name}@{facts.VERSION}"
    content = "\n".join(pin.purl for pin in pins)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'{subject} {content}')}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": subject,
                "name": f"perpetua-{name}",
                "version": facts.VERSION,
                "licenses": [{"license": {"id": LICENSE}}],
            }
        },
        "components": [_component(pin) for pin in pins],
        "dependencies": [{"ref": subject, "dependsOn": [pin.purl for pin in pins]}],
    }


def _component(pin: Pin) -> dict[str, Any]:
    return {
        "type": "library",
        "bom-ref": pin.purl,
        "name": pin.name,
        "version": pin.version,
        "purl": pin.purl,
        "hashes": [{"alg": "SHA-256", "content": digest} for digest in pin.digests],
    }


def write(folder: Path = TARGET) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name in NAMES:
        files.append(file := folder / f"perpetua-{name}.cdx.json")
        file.write_text(json.dumps(bill(name, pins_of(PINS / f"{name}.txt")), indent=1))
    return files


def main() -> int:
    files = write()
    sys.stdout.write(f"{len(files)} bills of materials in {TARGET.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
