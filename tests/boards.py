"""What the dashboards ask of Prometheus."""

import json

from tests.prometheus import Prometheus, until
from tools.paths import ROOT

BOARDS = {path.stem: path.read_text() for path in sorted((ROOT / "deploy/grafana/dashboards").glob("*.json"))}
WINDOW = "20s"


def questions(board: str) -> set[str]:
    """The queries of all its panels, over a short window."""
    panels = json.loads(BOARDS[board])["panels"]
    return {target["expr"].replace("$__rate_interval", WINDOW) for panel in panels for target in panel["targets"]}


async def find_data(watch: Prometheus, queries: set[str]) -> None:
    """Return when each had an answer that is not empty."""
    left = set(queries)

    def all_found() -> bool:
        left.difference_update({query for query in left if watch.series(query)})
        return not left

    await until(all_found, lambda: f"no data: {sorted(left)}")
