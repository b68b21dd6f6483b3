"""Routes as people write them."""

from typing import Any

import pytest

from libs.schemas.names import key_of
from libs.schemas.notices import Severity
from services.notifier.domain.routes import (
    RoutesError,
    filled,
    missing,
    named,
    parse,
    secrets_in,
    web_address,
)
from tests.fakes.notifier_ports import phone, route

WEBHOOK = {"webhook": "https://desk.example"}
MISTAKES: dict[str, tuple[Any, str]] = {
    "a list": ([], "the file: "),
    "another field of the file": ({"routs": {}}, "routs: there is no such field; did you mean routes?"),
    "another field": ({"webhok": "x"}, "routes.desk.webhok: there is no such field; did you mean webhook?"),
    "another field within": (
        WEBHOOK | {"quiet": {"form": "22:00", "to": "07:00"}},
        "routes.desk.quiet.form: there is no such field; did you mean from?",
    ),
    "another kind": (
        WEBHOOK | {"kinds": ["alerts", "position.close"]},
        "routes.desk.kinds.1: there is no such kind; did you mean position.closed?",
    ),
    "a kind like no other": (WEBHOOK | {"kinds": ["zzz"]}, "routes.desk.kinds.0: there is no such kind; kinds: alerts"),
    "no way": ({}, "routes.desk: give it one of apprise"),
    "two ways": (WEBHOOK | {"apprise": "json://x"}, "routes.desk: give it one of apprise"),
    "a key for people": ({"apprise": "json://x", "key": "${KEY}"}, "routes.desk: key signs webhooks"),
    "a group for programs": (WEBHOOK | {"group_s": 5}, "routes.desk: group_s is for people"),
    "a long wait": ({"apprise": "json://x", "group_s": 61}, "routes.desk.group_s: "),
    "what it never takes": (
        WEBHOOK | {"kinds": ["position.closed"], "severity": "warning"},
        "routes.desk: position.closed is info, and this route takes warning and graver",
    ),
    "no time": (WEBHOOK | {"quiet": {"from": "ten", "to": "07:00"}}, "routes.desk.quiet.from: write a time of the day"),
    "no minute": (WEBHOOK | {"quiet": {"from": "22:61", "to": "07:00"}}, "routes.desk.quiet.from: write a time"),
    "no hour": (WEBHOOK | {"quiet": {"from": "24:00", "to": "07:00"}}, "routes.desk.quiet.from: "),
    "no zone": (
        WEBHOOK | {"quiet": {"from": "22:00", "to": "07:00", "zone": "Europe/Berln"}},
        "routes.desk.quiet.zone: no such time zone",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_with_its_place(name: str) -> None:
    written, said = MISTAKES[name]
    whole = written if isinstance(written, list) or "routs" in written else {"routes": {"desk": written}}
    with pytest.raises(RoutesError) as told:
        parse(whole)
    assert str(told.value).startswith(said)


def test_a_name_that_cannot_stand_in_a_subject_is_refused() -> None:
    with pytest.raises(RoutesError, match=r"^routes\.the desk\.\[key\]: "):
        parse({"routes": {"the desk": WEBHOOK}})


@pytest.mark.parametrize("nothing", [None, {}, {"schema_version": 1}, {"routes": {}}])
def test_a_file_without_routes_has_none(nothing: Any) -> None:
    assert parse(nothing) == {}


def test_yaml_reads_an_hour_without_quotes_as_a_number() -> None:
    quiet = route(quiet={"from": 1_320, "to": "07:00"}).quiet
    assert quiet is not None
    assert (quiet.begins, quiet.ends) == (22 * 60, 7 * 60)


@pytest.mark.parametrize(
    ("fields", "kind", "severity", "account", "taken"),
    [
        ({}, "budget", "info", None, True),
        ({}, "position.liquidated", "critical", "main", False),
        ({"kinds": ["budget"]}, "budget", "info", None, True),
        ({"kinds": ["budget"]}, "stale", "critical", None, False),
        ({"kinds": ["position.closed"]}, "position.closed", "info", "main", True),
        ({"severity": "warning"}, "budget", "info", None, False),
        ({"severity": "warning"}, "budget", "warning", None, True),
        ({"severity": "warning"}, "budget", "critical", None, True),
        ({"accounts": ["main"]}, "budget", "info", "main", True),
        ({"accounts": ["main"]}, "budget", "info", "other", False),
        ({"accounts": ["main"]}, "budget", "info", None, False),
    ],
)
def test_a_route_takes_what_it_names(
    fields: dict[str, Any], kind: str, severity: Severity, account: str | None, taken: bool
) -> None:
    assert route(**fields).takes(kind, severity, key_of(account) if account else None) is taken


def test_secrets_are_quoted_within_an_address_and_whole_by_themselves() -> None:
    secrets = {"TOKEN": "123:a/b@c", "ALL": "tgram://1:2/3"}
    assert filled("tgram://${TOKEN}/7", secrets) == "tgram://123:a%2Fb%40c/7"
    assert filled("${ALL}", secrets) == "tgram://1:2/3"
    assert phone(apprise="tgram://${TOKEN}/${CHAT}").names == ("TOKEN", "CHAT")
    assert missing(phone(apprise="tgram://${TOKEN}/${CHAT}"), secrets) == ("CHAT",)


def test_a_file_of_secrets_has_a_name_in_each_line() -> None:
    assert secrets_in("# mine\n\nTOKEN = 1=2 \nB=\n") == {"TOKEN": "1=2", "B": ""}
    for line in ("token=1", "TOKEN", "=1"):
        with pytest.raises(RoutesError, match=r"^PERPETUA_NOTIFY_SECRETS: line 2 is not NAME=value$"):
            secrets_in(f"A=1\n{line}")


@pytest.mark.parametrize("text", ["desk.example", "ftp://desk.example", "https://", "https://x:0/", "https://[x/"])
def test_what_is_no_web_address_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(RoutesError) as told:
        web_address(text)
    assert str(told.value) == "webhook is no address like https://example.com/hook"


@pytest.mark.parametrize("address", ["https://desk.example/a?b=c", "http://user:pw@127.0.0.1:8080"])
def test_a_web_address_is_taken(address: str) -> None:
    assert web_address(address) == address


def test_a_route_is_chosen_by_its_name() -> None:
    routes = parse({"routes": {"desk": WEBHOOK, "phone": WEBHOOK}})
    assert named(routes, None) == ("desk", "phone")
    assert named(routes, "phone") == ("phone",)
    with pytest.raises(RoutesError, match=r"^there is no route fone; did you mean phone\?$"):
        named(routes, "fone")
    with pytest.raises(RoutesError, match=r"^there are no routes$"):
        named({}, "desk")


@pytest.mark.parametrize(("text", "service"), [("tgram://a/b", "tgram"), ("${ADDRESS}", "apprise")])
def test_what_is_shown_of_an_address_is_its_service(text: str, service: str) -> None:
    assert phone(apprise=text).service == service
