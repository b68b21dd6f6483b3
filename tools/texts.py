"""No host of a package index and no path of a machine in any file that git knows."""

import re

from tools.paths import ROOT, tracked

FORBIDDEN = re.compile(
    r"pypi\.|files\.pythonhosted|registry\.npmjs|deb\.debian\.org|/home/\w|/root/|/work/", re.IGNORECASE
)
LONGEST = 1_000_000


def check_texts() -> list[str]:
    return [
        f"{name}:{number}: names a package index or a path of a machine"
        for name in tracked()
        if name != "tools/texts.py" and (ROOT / name).stat().st_size <= LONGEST
        for number, line in enumerate((ROOT / name).read_text(errors="replace").splitlines(), 1)
        if FORBIDDEN.search(line)
    ]
