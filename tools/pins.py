"""The pins of requirements/*.txt: name, version and the digests of what may be installed."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;\\]+)")
_DIGEST = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Pin:
    name: str
    version: str
    digests: tuple[str, ...]

    @property
    def purl(self) -> str:
        """The package URL: https://github.com/package-url/purl-spec."""
        return f"pkg:pypi/{self.name.lower().replace('_', '-')}@{self.version}"


def pins_of(file: Path) -> tuple[Pin, ...]:
    return tuple(_pins(file.read_text()))


def _pins(text: str) -> Iterator[Pin]:
    for entry in text.replace("\\\n", " ").splitlines():
        found = _PIN.match(entry)
        if found:
            yield Pin(found["name"], found["version"], tuple(_DIGEST.findall(entry)))
