"""What the ledger has archived: looked at, and brought back."""

from collections.abc import Sequence
from pathlib import Path

from cli.ask.address import mongodb_url
from cli.ask.records import records
from cli.errors import CliError
from libs.records.archive import collection_of, files_in, restore


def listed(folder: Path) -> list[str]:
    """A line for each file."""
    if not folder.is_dir():
        raise CliError(f"{folder} is no folder", "PERPETUA_LEDGER_ARCHIVE_DIR names the one of the ledger")
    found = files_in(folder)
    return [f"{file.name:<32} {file.stat().st_size:>12,} bytes" for file in found] or ["nothing is archived there"]


async def restored(state_dir: Path, files: Sequence[Path], database: str | None) -> list[str]:
    """A line for each file. All are looked at before the first is brought back."""
    for file in files:
        _checked(file)
    lines = []
    async with records(mongodb_url(state_dir)) as db:
        place = db if database is None else db.client[database]
        for file in files:
            try:
                seen, brought = await restore(place, file)
            except (OSError, EOFError, ValueError) as error:
                raise CliError(f"{file}: {error}", "is the file whole? restoring it again does no harm") from error
            lines.append(f"{file.name}: {seen} documents, {brought} brought back, {seen - brought} were there")
    return lines


def _checked(file: Path) -> None:
    if not file.is_file():
        raise CliError(f"{file} is not there", "`perpetua archive list FOLDER` shows the files")
    try:
        collection_of(file)
    except ValueError as error:
        raise CliError(str(error), "`perpetua archive list FOLDER` shows the files") from error
