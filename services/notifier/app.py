"""The notifier: alerts, and what happened to orders and positions, told outside by the routes that people wrote."""

import os
from collections.abc import Iterator, Mapping
from datetime import timedelta

from pydantic_settings import SettingsError

from libs.runtime.clock import WallClock
from libs.runtime.worker import Worker, run
from libs.schemas.names import Key
from services.notifier.adapters.ways import Ways
from services.notifier.application.routes_file import load, secrets_from
from services.notifier.domain.routes import NoticeRoute, RoutesError
from services.notifier.handlers import routes as routes_of
from services.notifier.metrics import NotifierMetrics
from services.notifier.ports import Deps
from services.notifier.settings import Settings


def create_app(settings: Settings | None = None, env: Mapping[str, str] | None = None) -> Worker:
    settings = settings or Settings()
    worker = Worker("notifier", settings)
    try:
        routes = load(settings.config_dir)
        secrets = secrets_from(os.environ if env is None else env, _text(settings))
        ways = Ways(worker.clock, settings.notifier_timeout_s, len(routes))
        tellers = {name: ways.teller(name, route, secrets) for name, route in routes.items()}
    except RoutesError as error:
        raise SettingsError(str(error)) from error
    worker.add(ways)
    deps = Deps(
        routes=routes,
        tellers=tellers,
        clock=worker.clock,
        meter=NotifierMetrics(worker.registry, routes),
        oldest=timedelta(hours=settings.notifier_oldest_h),
        concurrency=settings.notifier_concurrency,
    )
    worker.detail("routes", lambda: {name: route.service for name, route in routes.items()})
    worker.include(routes_of(deps))
    return worker


def wrong_routes(routes: Mapping[Key, NoticeRoute], secrets: Mapping[str, str]) -> Iterator[str]:
    """Of the routes, those that lead nowhere, a line each: asked before a start, without calling anybody."""
    ways = Ways(WallClock(), 1.0, 1)
    for name, route in routes.items():
        try:
            ways.teller(name, route, secrets)
        except RoutesError as error:
            yield str(error)


def _text(settings: Settings) -> str:
    return settings.notify_secrets.get_secret_value() if settings.notify_secrets else ""


if __name__ == "__main__":
    run(create_app)
