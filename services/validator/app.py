"""The validator: every proposal against the rules, on the latest known market and account."""

from libs.configuration.mirror import ConfigMirror, StateMirror
from libs.runtime.marks import LatestMarks
from libs.runtime.worker import Worker, run
from services.validator.handlers import routes
from services.validator.metrics import ValidatorMetrics
from services.validator.ports import Deps
from services.validator.settings import Settings


def create_app(settings: Settings | None = None) -> Worker:
    settings = settings or Settings()
    worker = Worker("validator", settings)
    metrics = ValidatorMetrics(worker.registry)
    configuration, states = ConfigMirror(worker.bus), StateMirror(worker.bus)
    marks = LatestMarks(worker.bus, worker.clock, settings.admission, metrics.bad_tick)
    for service in (configuration, states, marks):
        worker.add(service)
    deps = Deps(
        configuration=configuration,
        states=states,
        marks=marks,
        clock=worker.clock,
        meter=metrics,
        max_tick_age=settings.tick_age,
        mirror_wait=settings.mirror_wait,
        concurrency=settings.validator_concurrency,
    )
    worker.include(routes(deps))
    return worker


if __name__ == "__main__":
    run(create_app)
