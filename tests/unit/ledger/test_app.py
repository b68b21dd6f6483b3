"""The ledger is wired without a server and without a variable, as often as one likes."""

from libs.schemas.subjects import DURABLES
from services.ledger.app import create_app
from services.ledger.settings import Settings


def test_each_ledger_pulls_from_every_durable_of_its_own() -> None:
    own = {durable.name for durable in DURABLES if durable.name.startswith("ledger-")}
    for _ in range(2):
        assert {durable.name for durable in create_app(Settings()).durables} == own
