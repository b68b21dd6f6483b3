"""A decision that a person asks for: POST /decisions/generate of the run's own gateway, with the run's own key."""

import http.client
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cli.errors import CliError
from cli.files import read_token
from cli.project import StateFolder
from cli.runfile import running
from libs.schemas.analytics import DecisionResult

PATH = "/api/v1/decisions/generate"
SPARE_S = 10.0


@dataclass(frozen=True, slots=True)
class DecisionWish:
    """What to ask for; `timeout` is in seconds of wall time."""

    account_id: str
    dry_run: bool
    symbols: tuple[str, ...]
    model: str | None
    timeout: float

    def body(self) -> str:
        wish: dict[str, Any] = {"account_id": self.account_id, "dry_run": self.dry_run, "timeout": self.timeout}
        wish |= {"symbols": self.symbols} if self.symbols else {}
        wish |= {"model": self.model} if self.model else {}
        return json.dumps(wish)


def generate(state_dir: Path, wish: DecisionWish) -> DecisionResult:
    """The decision's result. CliError where nothing runs, nothing answers, or the API refuses."""
    folder = StateFolder(state_dir.resolve())
    run, token = running(folder.run_file), read_token(folder.api_key)
    if run is None or not run.gateway_url or token is None:
        raise CliError("no gateway runs here", "start it by `perpetua up`; elsewhere ask its API: docs/api.md")
    status, answer, location = _posted(run.gateway_url, token, wish)
    if status < http.client.BAD_REQUEST:
        return DecisionResult.model_validate(answer)
    if location:
        raise CliError(f"no decision within {wish.timeout:g} s", f"it goes on; GET {location} of the API shows its end")
    raise CliError(str(answer.get("detail", f"the API answered {status}")), _hint(status))


def _posted(url: str, token: str, wish: DecisionWish) -> tuple[int, dict[str, Any], str | None]:
    place = urlsplit(url)
    client = http.client.HTTPConnection(place.hostname or "", place.port, timeout=wish.timeout + SPARE_S)
    try:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        client.request("POST", PATH, wish.body(), headers)
        response = client.getresponse()
        return response.status, dict(json.loads(response.read())), response.getheader("Location")
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise CliError(f"the gateway at {url} does not answer: {error}", "see `perpetua status`") from error
    finally:
        client.close()


def _hint(status: int) -> str:
    if status == http.client.SERVICE_UNAVAILABLE:
        return "`perpetua status` says what is away"
    return "correct it; `perpetua account list` shows the accounts"


def lines(result: DecisionResult, *, dry_run: bool) -> list[str]:
    """What was decided, an asset a line, and what came of it."""
    said = [f"{result.decision_id}: {result.status}{', a dry run' if dry_run else ''}"]
    verdicts = {verdict.asset: verdict.verdict for verdict in result.verdicts}
    for row in result.decision.decisions if result.decision else ():
        judged = f", {verdicts[row.asset]}" if row.asset in verdicts and row.action != "hold" else ""
        said.append(f"  {row.asset} {row.action}{judged}: {' '.join(row.rationale.split())}")
    said += [f"  {order.leg} {order.side} {order.quantity:f} {order.symbol}: {order.state}" for order in result.orders]
    return said + [f"  {problem}" for problem in (*result.errors, *result.warnings)]
