"""Routes: which events are told, whom, and how; as people write them in config/notifications.yaml."""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Annotated, Literal, get_args
from urllib.parse import quote, urlsplit

from pydantic import AfterValidator, Field, StringConstraints, ValidationError, model_validator

from libs.schemas.analytics import AlertKind
from libs.schemas.base import AccountId, ShortText, Wire
from libs.schemas.names import Key, is_key
from libs.schemas.notices import SEVERITIES, Severity
from libs.schemas.strict import strictly
from services.notifier.domain.quiet import QuietHours

ALERTS = "alerts"  # stands for the alerts of every kind
ALERT_KINDS: tuple[str, ...] = get_args(AlertKind)
# How grave an event of an order or a position is; the kinds that can be told are those of the durable.
EVENT_SEVERITY: Mapping[str, Severity] = {
    "order.filled": "info",
    "order.rejected": "warning",
    "position.opened": "info",
    "position.closed": "info",
    "position.liquidated": "critical",
}
KINDS = (ALERTS, *ALERT_KINDS, *EVENT_SEVERITY)
REFERENCE = re.compile(r"\$\{([A-Z][A-Z0-9_]{0,63})\}")
SERVICE = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*)://")


class RoutesError(Exception):
    """What is wrong with the file, or what a route lacks; one line, without any secret."""


def _kind(name: str) -> str:
    if name in KINDS:
        return name
    close = get_close_matches(name, KINDS, n=1)
    raise ValueError(f"there is no such kind; {f'did you mean {close[0]}?' if close else 'kinds: ' + ', '.join(KINDS)}")


Kind = Annotated[str, StringConstraints(max_length=100), AfterValidator(_kind)]


class NoticeRoute(Wire):
    """One way to a receiver: `apprise` for people (any service that Apprise knows) or `webhook` for programs.

    `key` signs what a webhook gets. `group_s` is how long a notice waits for others that go with it; webhooks get each
    by itself. Texts may hold ${NAME} in the place of a secret.
    """

    apprise: ShortText | None = None
    webhook: ShortText | None = None
    key: ShortText | None = None
    kinds: tuple[Kind, ...] = (ALERTS,)
    severity: Severity = "info"
    accounts: tuple[AccountId, ...] = ()
    group_s: float = Field(default=10, ge=0, le=60)
    quiet: QuietHours | None = None

    @model_validator(mode="after")
    def _one_way(self) -> "NoticeRoute":
        if (self.apprise is None) == (self.webhook is None):
            raise ValueError("give it one of apprise (for people) and webhook (for programs)")
        if self.apprise is not None and self.key is not None:
            raise ValueError("key signs webhooks; what Apprise sends has no signature")
        if self.webhook is not None and "group_s" in self.model_fields_set:
            raise ValueError("group_s is for people: a webhook gets each event by itself")
        return self

    @model_validator(mode="after")
    def _takes_something(self) -> "NoticeRoute":
        for kind in self.kinds:
            grave = EVENT_SEVERITY.get(kind)
            if grave is not None and SEVERITIES.index(grave) < SEVERITIES.index(self.severity):
                raise ValueError(f"{kind} is {grave}, and this route takes {self.severity} and graver")
        return self

    @property
    def service(self) -> str:
        """What may be shown of where it leads: the kind of service, never the address."""
        if self.webhook is not None:
            return "webhook"
        match = SERVICE.match(self.apprise or "")
        return match[1].lower() if match else "apprise"

    @property
    def names(self) -> tuple[str, ...]:
        """The secrets that it needs, by name."""
        texts = (self.apprise, self.webhook, self.key)
        return tuple(dict.fromkeys(name for text in texts if text for name in REFERENCE.findall(text)))

    def takes(self, kind: str, severity: Severity, account: Key | None) -> bool:
        """Whether it is told of such an event. One that is about no account goes to routes of all accounts alone."""
        wanted = kind in self.kinds or (kind in ALERT_KINDS and ALERTS in self.kinds)
        grave = SEVERITIES.index(severity) >= SEVERITIES.index(self.severity)
        return wanted and grave and (not self.accounts or account in self.accounts)


RouteName = Annotated[Key, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,32}$")]


class RoutesFile(Wire):
    schema_version: Literal[1] = 1
    routes: dict[RouteName, NoticeRoute] = Field(default_factory=dict)


def parse(data: object) -> Mapping[Key, NoticeRoute]:
    """Read the parsed file. Raises RoutesError, which names each mistake with its place."""
    try:
        return strictly(RoutesFile, {} if data is None else data).routes
    except ValidationError as error:
        raise RoutesError("; ".join(_lines(error))) from error


def _lines(error: ValidationError) -> Iterator[str]:
    for each in error.errors(include_input=False, include_url=False):
        place = ".".join(str(part) for part in each["loc"]) or "the file"
        yield f"{place}: {each['msg'].removeprefix('Value error, ')}"


def missing(route: NoticeRoute, secrets: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(name for name in route.names if not secrets.get(name))


def filled(text: str, secrets: Mapping[str, str]) -> str:
    """The text with its secrets: as they are where one is the whole of it, quoted within an address."""
    if whole := REFERENCE.fullmatch(text):
        return secrets[whole[1]]
    return REFERENCE.sub(lambda match: quote(secrets[match[1]], safe=":"), text)


def web_address(text: str) -> str:
    """The address of a webhook. Raises RoutesError for a text that is none, without the text."""
    try:
        parts = urlsplit(text)
        wrong = parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0
    except ValueError:
        wrong = True
    if wrong:
        raise RoutesError("webhook is no address like https://example.com/hook")
    return text


def secrets_in(text: str) -> dict[str, str]:
    """NAME=value, one a line. Raises RoutesError with the number of a line that is none."""
    lines = ((n, line.strip()) for n, line in enumerate(text.splitlines(), 1))
    found: dict[str, str] = {}
    for n, line in lines:
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals or not REFERENCE.fullmatch(f"${{{name.strip()}}}"):
            raise RoutesError(f"PERPETUA_NOTIFY_SECRETS: line {n} is not NAME=value")
        found[name.strip()] = value.strip()
    return found


def named(routes: Mapping[Key, NoticeRoute], wanted: str | None) -> tuple[Key, ...]:
    """All routes, or the one that is wanted. Raises RoutesError where there is none."""
    if not routes:
        raise RoutesError("there are no routes")
    if wanted is None:
        return tuple(routes)
    if not is_key(wanted) or wanted not in routes:
        close = get_close_matches(wanted, routes, n=1)
        raise RoutesError(f"there is no route {wanted}; {f'did you mean {close[0]}?' if close else ', '.join(routes)}")
    return (wanted,)
