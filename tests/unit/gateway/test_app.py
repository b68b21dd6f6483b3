"""The gateway is wired without a server and without a variable."""

import pytest

from services.gateway.app import create_app
from services.gateway.settings import Settings


def test_the_application_is_made_without_a_server() -> None:
    assert create_app(Settings()).durables == ()


@pytest.mark.parametrize(
    ("given", "hosts"),
    [("a, B.example ,", {"a", "b.example"}), ("*", {"*"}), ("", set())],
)
def test_host_names_are_separated_by_commas(given: str, hosts: set[str]) -> None:
    assert Settings(gateway_hosts=given).hosts == hosts
