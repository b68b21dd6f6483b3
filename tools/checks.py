"""`python -m tools.checks [--write]`: documents and habits against the code that they describe.

Each check is a function without arguments that gives one line for each thing that is wrong; a new one is a function
in the file of its subject and a row in CHECKS. `--write` makes anew what is made from code.
"""

import sys
from collections.abc import Callable, Iterable

from tools import (
    architecture,
    collection_names,
    documents,
    endings,
    metrics,
    names,
    permissions,
    rights,
    risk,
    runbooks,
    schemas,
    settings,
    sizes,
    texts,
    workers,
)
from tools.deploy import files as deployment
from tools.deploy import operations

CHECKS: tuple[Callable[[], Iterable[str]], ...] = (
    documents.check_glossary,
    documents.check_paths,
    settings.check_env,
    schemas.check_schemas,
    architecture.check_architecture,
    workers.check_workers,
    rights.check_rights,
    permissions.check_security_doc,
    risk.check_risk_doc,
    texts.check_texts,
    names.check_names,
    collection_names.check_collections,
    endings.check_endings,
    sizes.check_sizes,
    metrics.check_metrics,
    runbooks.check_runbooks,
    deployment.check_deployment,
    operations.check_operations,
)
WRITERS = (
    rights.write,
    permissions.write,
    risk.write,
    settings.write,
    schemas.write,
    metrics.write,
    deployment.write,
)


def main() -> int:
    if "--write" in sys.argv[1:]:
        for write in WRITERS:
            write()
    lines = documents.check_documents() or [line for check in CHECKS for line in check()]
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
