from collections.abc import Iterator

import pytest

from tests.integration.rights.server import RightsServer, rights_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RightsServer]:
    with rights_server(tmp_path_factory.mktemp("rights")) as made:
        yield made
