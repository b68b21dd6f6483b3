"""`python -m tools.openapi`: the description of the HTTP API as this working copy serves it, without a server."""

import json
import sys
from typing import cast

from prometheus_client import CollectorRegistry

from services.gateway.application.streams import StreamHub
from services.gateway.handlers.http import api_of
from services.gateway.metrics import GatewayMetrics
from services.gateway.ports import Deps


def main() -> None:
    deps, metrics = cast(Deps, None), GatewayMetrics(CollectorRegistry())
    json.dump(api_of(deps, metrics, StreamHub(deps, metrics)).openapi(), sys.stdout)


if __name__ == "__main__":
    main()
