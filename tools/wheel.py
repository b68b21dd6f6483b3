"""The built page goes into a wheel that uv has made, where the installed gateway looks for it: uv packs sources alone.

`python -m tools.wheel WHEEL PAGE` needs no package. A page that was not built leaves the wheel as it is, and is said.
"""

import base64
import hashlib
import sys
import zipfile
from pathlib import Path

PLACE = "services/gateway/page"
DATED = (1980, 1, 1, 0, 0, 0)  # uv's files have this one too: the same sources make the same wheel


def add(wheel: Path, page: Path) -> int:
    """How many files went in, each with its line in the wheel's record; none where there is no page."""
    files = sorted(path for path in page.rglob("*") if path.is_file() and path.name != ".holds")
    if not (page / "index.html").is_file():
        return 0
    made = wheel.with_suffix(".new")
    with zipfile.ZipFile(wheel) as before, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as after:
        record = next(name for name in before.namelist() if name.endswith(".dist-info/RECORD"))
        lines = [before.read(record).decode()]
        for entry in before.infolist():
            if entry.filename != record:
                after.writestr(entry, before.read(entry))
        for path in files:
            name, held = f"{PLACE}/{path.relative_to(page)}", path.read_bytes()
            after.writestr(_entry(name), held)
            lines.append(f"{name},sha256={_digest(held)},{len(held)}\n")
        after.writestr(_entry(record), "".join(lines))
    made.replace(wheel)
    return len(files)


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, DATED)
    entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
    return entry


def _digest(held: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(held).digest()).rstrip(b"=").decode()


if __name__ == "__main__":
    put = add(Path(sys.argv[1]), Path(sys.argv[2]))
    sys.stdout.write(f"{sys.argv[1]} ({f'with the page, {put} files' if put else 'without the page'})\n")
