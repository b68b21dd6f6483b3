"""Questions to the run's own gateway, with the run's own key."""

import http.client
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from cli.errors import CliError
from cli.files import read_token
from cli.project import StateFolder
from cli.runfile import running

BASE = "/api/v1"
PATIENCE_S = 20.0
ALL = "all"


class Api:
    """One run's API. CliError where nothing runs, nothing answers, or it refuses."""

    def __init__(self, state_dir: Path) -> None:
        folder = StateFolder(state_dir.resolve())
        run, token = running(folder.run_file), read_token(folder.api_key)
        if run is None or not run.gateway_url or token is None:
            raise CliError("nothing runs here", "start it by `perpetua up`; elsewhere ask its API: docs/api.md")
        self._url, self._token = run.gateway_url, token

    def get(self, *path: str, **wanted: str | int | None) -> dict[str, Any]:
        """The answer's body; `path` in parts, each quoted."""
        query = urlencode({name.rstrip("_"): value for name, value in wanted.items() if value is not None})
        target = "/".join((BASE, *(quote(part, safe="") for part in path))) + (f"?{query}" if query else "")
        status, answer = self._got(target)
        if status < http.client.BAD_REQUEST:
            return answer
        raise CliError(str(answer.get("detail", f"the API answered {status}")), "`perpetua status` shows what runs")

    def page(self) -> str:
        """An address that signs in to the page in the browser, once."""
        return page_address(self._url, self._token)

    def accounts(self, wanted: str | None) -> list[str]:
        """The one that is wanted, else all."""
        return [wanted] if wanted else [row["account_id"] for row in self.get("accounts")["items"]]

    def _got(self, target: str) -> tuple[int, dict[str, Any]]:
        return _answered("GET", self._url, target, self._token)


def page_address(url: str, token: str) -> str:
    """An address that signs in to the page in the browser, once, with the rights of the key. Raises CliError."""
    status, answer = _answered("POST", url, f"{BASE}/sign-in/tickets", token)
    if status >= http.client.BAD_REQUEST:
        raise CliError(str(answer.get("detail", f"the API answered {status}")), "`perpetua status` shows what runs")
    return f"{url}/#ticket={answer['ticket']}"


def _answered(method: str, url: str, target: str, token: str) -> tuple[int, dict[str, Any]]:
    place = urlsplit(url)
    client = http.client.HTTPConnection(place.hostname or "", place.port, timeout=PATIENCE_S)
    try:
        client.request(method, target, headers={"Authorization": f"Bearer {token}"})
        response = client.getresponse()
        body: Mapping[str, Any] = json.loads(response.read())
        return response.status, dict(body)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise CliError(f"the gateway at {url} does not answer: {error}", "see `perpetua status`") from error
    finally:
        client.close()
