from collections.abc import Iterator

import pytest

from tests.integration.deployment.servers import Deployment, deployment


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with deployment(tmp_path_factory.mktemp("deployment")) as made:
        yield made
