from prometheus_client import CollectorRegistry

from libs.schemas.names import key_of
from services.notifier.metrics import NotifierMetrics


def test_series_of_a_route_begin_at_0() -> None:
    """`increase` of a series that begins at 1 is 0: the first notice that was given up would be no alert."""
    registry = CollectorRegistry()
    NotifierMetrics(registry, [key_of("desk")])
    for outcome in ("sent", "failed", "quiet", "dead"):
        assert registry.get_sample_value("perpetua_notifier_notices_total", {"route": "desk", "outcome": outcome}) == 0
    assert registry.get_sample_value("perpetua_notifier_possible_repeats_total", {"route": "desk"}) == 0
