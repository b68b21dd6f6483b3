"""Whom a run tells of what: the routes of notifications.yaml, and what is wrong with them."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path

from cli.project import CONFIG
from cli.run.finding import Finding
from libs.runtime.settings import NOTIFY_PREFIX
from libs.schemas.names import Key
from services.notifier.application.routes_file import load, secrets_from, strange
from services.notifier.domain.routes import NoticeRoute, RoutesError

WAY_OUT = "docs/notifications.md says how a route is written"


def folder_of(env: Mapping[str, str]) -> Path:
    """Where the workers read the file."""
    return Path(env.get("PERPETUA_CONFIG_DIR") or CONFIG)


def secrets_of(env: Mapping[str, str]) -> dict[str, str]:
    """As the notifier would have them from this environment. Raises RoutesError."""
    path = env.get(f"{NOTIFY_PREFIX}SECRETS_FILE")
    text = env.get(f"{NOTIFY_PREFIX}SECRETS", "")
    if not text and path:
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise RoutesError(f"{NOTIFY_PREFIX}SECRETS_FILE cannot be read: {type(error).__name__}") from error
    return secrets_from(env, text)


def of_routes(env: Mapping[str, str]) -> Iterator[Finding]:
    """Every route, and whether it could lead anywhere. Nobody is called."""
    try:
        routes, secrets = load(folder_of(env)), secrets_of(env)
    except RoutesError as error:
        yield Finding("fail", "notices", str(error), WAY_OUT)
        return
    yield from _unread(env, routes)
    if not routes:
        yield Finding("ok", "notices", "no routes: nobody is told of alerts outside")
        return
    from services.notifier.app import wrong_routes

    wrong = list(wrong_routes(routes, secrets))
    yield from (Finding("fail", "notices", line, WAY_OUT) for line in wrong)
    if not wrong:
        said = ", ".join(f"{name} ({route.service})" for name, route in routes.items())
        yield Finding("ok", "notices", f"told by {said}; `perpetua notify test` tries them")


def _unread(env: Mapping[str, str], routes: Mapping[Key, NoticeRoute]) -> Iterator[Finding]:
    wanted = [name for route in routes.values() for name in route.names]
    for key in strange(env, routes):
        close = get_close_matches(key.removeprefix(NOTIFY_PREFIX), wanted, n=1)
        todo = f"did you mean {NOTIFY_PREFIX}{close[0]}?" if close else "unset it, or name it in notifications.yaml"
        yield Finding("warn", "notices", f"{key} is set, and no route names it", todo)


def rows(routes: Mapping[Key, NoticeRoute], secrets: Mapping[str, str]) -> list[tuple[str, ...]]:
    """What may be shown of each route: no address, and of secrets whether they are set here."""
    return [
        (
            name,
            route.service,
            ", ".join(route.kinds),
            route.severity,
            ", ".join(route.accounts) or "all",
            _quiet(route),
            ", ".join(f"{one} ({'set' if secrets.get(one) else 'not set here'})" for one in route.names) or "-",
        )
        for name, route in routes.items()
    ]


def _quiet(route: NoticeRoute) -> str:
    if (quiet := route.quiet) is None:
        return "-"
    hours = "-".join(f"{minute // 60:02}:{minute % 60:02}" for minute in (quiet.begins, quiet.ends))
    return f"{hours} {quiet.zone}, but {quiet.but}"
