"""What a demo says of its page in the browser, which is built beside its start (tools/page.sh) and may be missing."""

from pathlib import Path

from cli.project import ROOT

BUILT = ROOT / "build" / "page"


def missing_page(built: Path = BUILT) -> str | None:
    """Why there is no page; None where there is one, or where it is still being built."""
    why = built.with_name(f"{built.name}.why")
    if (built / "index.html").is_file() or not why.is_file():
        return None
    return why.read_text(encoding="utf-8", errors="replace").strip()


def page_line(address: str, missing: str | None) -> str:
    if missing is not None:
        return f"the page in the browser: {address}, but {missing}; everything else works"
    return f"the page in the browser: {address} (signs in once; `perpetua page` makes another)"
