from faststream.nats import NatsBroker

from libs.runtime.bus import Bus
from libs.runtime.reader import Record
from libs.schemas import ids, subjects
from libs.schemas.context import DecisionRequest, Trigger
from libs.schemas.names import key_of
from services.context.adapters.requests import NatsRequestLog
from services.context.domain.triggers import Asked
from tests.fakes.clock import ReadClock
from tests.fakes.context_values import at, request

CYCLE = ids.interval_cycle("5m", at(300))


def log_of(*bodies: DecisionRequest) -> NatsRequestLog:
    log = NatsRequestLog(Bus(NatsBroker(), "context"), ReadClock(at(400)))
    for n, body in enumerate(bodies):
        data = body.model_dump_json().encode()
        log._on_record(Record(subjects.decision_requested(key_of("acc1")), data, n + 1, None, 0))
    return log


def interval() -> DecisionRequest:
    return request(at(302), cycle=CYCLE, trigger=Trigger(kind="interval"))


def test_a_clients_request_moves_the_time_and_keeps_the_cycle() -> None:
    assert log_of(interval(), request(at(350))).of("acc1") == Asked(CYCLE, at(350), "r1", at(410), 2)


def test_a_clients_clock_cannot_silence_an_account() -> None:
    assert log_of(request(at(1_000_000))).of("acc1") == Asked(None, at(400), "r1", at(1_000_060), 1)


def test_dry_runs_and_what_is_no_request_are_passed_over() -> None:
    log = log_of(request(at(350), dry_run=True), request(at(350), account_id="other"))
    log._on_record(Record("decision.requested.acc1", b"{", 9, None, 0))
    assert log.of("acc1") is None and log.of("other") is None
