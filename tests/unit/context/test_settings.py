import pytest

from services.context.app import create_app
from services.context.settings import Settings


@pytest.mark.parametrize(
    ("interval", "given", "age"), [(15.0, None, 45.0), (5.0, None, 30.0), (60.0, None, 180.0), (15.0, 20.0, 20.0)]
)
def test_a_tick_may_be_three_feed_intervals_old_and_at_least_half_a_minute(
    interval: float, given: float | None, age: float
) -> None:
    assert Settings(feed_interval=interval, max_tick_age=given).bounds().max_tick_age == age


def test_the_worker_is_made_without_a_server_and_pulls_requests_and_ends() -> None:
    assert {durable.name for durable in create_app(Settings()).durables} == {"context-requests", "context-ends"}
