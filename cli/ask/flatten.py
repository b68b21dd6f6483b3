"""`perpetua flatten --direct`: close everything at the venue, when nothing else works any more."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cli.errors import CliError
from cli.project import CONFIG
from libs.runtime.errors import Unavailable
from services.executor.app import venue_of
from services.executor.application.flatten import Flattened, NotLive, flatten


@dataclass(frozen=True, slots=True)
class Way:
    """How an account is reached."""

    account_id: str
    venue: str
    credential: str
    demo: bool = False


def find_way(account: str, venue: str | None, credential: str | None, demo: bool, folder: Path = CONFIG) -> Way:
    """What the options leave out is taken from config/accounts.yaml, where the account is in it."""
    listed = _listed(account, folder)
    found = venue or listed.get("venue"), credential or listed.get("credential")
    if found[0] in (None, "paper") or found[1] is None:
        raise CliError(
            f"nothing says where account {account} trades and with which credential",
            "add --venue aster --credential <name>",
        )
    return Way(account, str(found[0]), str(found[1]), demo)


async def close_all(way: Way, env: Mapping[str, str], say: Callable[[str], None]) -> Flattened:
    """CliError for whatever keeps the venue from being reached."""
    try:
        venue = await venue_of(way.venue, way.credential, env, demo=way.demo)
    except NotLive as error:
        raise CliError(str(error), 'see docs/live.md, "How to stop"') from error
    except Unavailable as error:
        raise CliError(str(error), "try again; else close the positions on the exchange's own site") from error
    try:
        return await flatten(venue, way.account_id, datetime.now(UTC), say)
    except Unavailable as error:
        raise CliError(str(error), "try again; else close the positions on the exchange's own site") from error
    finally:
        await venue.close()


def _listed(account: str, folder: Path) -> dict[str, Any]:
    """Broken or missing configuration is no reason not to close: the options say the same."""
    import yaml

    from libs.configuration.yaml_text import yaml_value

    try:
        rows = yaml_value((folder / "accounts.yaml").read_text())["accounts"]
        return next((row for row in rows if row.get("account_id") == account), {})
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError):
        return {}
