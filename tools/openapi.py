"""`python -m tools.openapi`: the description of the HTTP API as this working copy serves it, without a server."""

import json
import sys

from services.gateway.app import description


def main() -> None:
    json.dump(description(), sys.stdout)


if __name__ == "__main__":
    main()
