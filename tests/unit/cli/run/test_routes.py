"""What is said of routes before a start."""

from pathlib import Path

import pytest

from cli.run.routes import of_routes, rows, secrets_of
from services.notifier.domain.routes import RoutesError, parse

PHONE = "routes: {phone: {apprise: 'tgram://${TOKEN}/7'}}"
TOKEN = {"PERPETUA_NOTIFY_TOKEN": "123456789:secret-of-mine"}


def said(folder: Path, text: str, env: dict[str, str]) -> list[tuple[str, str, str]]:
    (folder / "notifications.yaml").write_text(text)
    found = of_routes({"PERPETUA_CONFIG_DIR": str(folder)} | env)
    return [(finding.level, finding.found, finding.todo) for finding in found]


def test_routes_that_could_work_are_named_without_their_addresses(tmp_path: Path) -> None:
    told = "told by phone (tgram); `perpetua notify test` tries them"
    assert said(tmp_path, PHONE, TOKEN) == [("ok", told, "")]


def test_no_routes_are_fine(tmp_path: Path) -> None:
    assert [finding.level for finding in of_routes({"PERPETUA_CONFIG_DIR": str(tmp_path)})] == ["ok"]
    assert said(tmp_path, "routes: {}", {}) == [("ok", "no routes: nobody is told of alerts outside", "")]


@pytest.mark.parametrize(
    ("text", "env", "found"),
    [
        (PHONE, {}, "phone: nothing is said for ${TOKEN}"),
        ("routs: {}", {}, "notifications.yaml: routs: there is no such field; did you mean routes?"),
        ("routes: [", {}, "notifications.yaml is no YAML: while parsing"),
        ("routes: {phone: {apprise: '${TOKEN}'}}", TOKEN, "phone: apprise: no service takes this address"),
        ("routes: {desk: {webhook: '${TOKEN}'}}", TOKEN, "desk: webhook is no address like"),
        ("routes: {desk: {webhook: 'https://x', key: '${TOKEN}'}}", TOKEN, "desk: key is no signing key"),
        (PHONE, {"PERPETUA_NOTIFY_SECRETS_FILE": "/nowhere"}, "PERPETUA_NOTIFY_SECRETS_FILE cannot be read"),
        (PHONE, {"PERPETUA_NOTIFY_SECRETS": "token"}, "PERPETUA_NOTIFY_SECRETS: line 1 is not NAME=value"),
    ],
    ids=["no secret", "a typo", "no yaml", "no service", "no address", "no key", "no file", "no line"],
)
def test_what_is_wrong_is_said_without_any_secret(tmp_path: Path, text: str, env: dict[str, str], found: str) -> None:
    (finding,) = said(tmp_path, text, env)
    assert finding[0] == "fail"
    assert finding[1].removeprefix(f"{tmp_path}/").startswith(found)
    assert "secret-of-mine" not in "".join(finding)


def test_a_variable_that_no_route_names_is_a_typing_mistake(tmp_path: Path) -> None:
    found = said(tmp_path, PHONE, TOKEN | {"PERPETUA_NOTIFY_TOKN": "1"})
    assert found[0] == (
        "warn",
        "PERPETUA_NOTIFY_TOKN is set, and no route names it",
        "did you mean PERPETUA_NOTIFY_TOKEN?",
    )


def test_secrets_come_from_a_file_and_a_variable_goes_before_it(tmp_path: Path) -> None:
    file = tmp_path / "secrets"
    file.write_text("TOKEN=from-the-file\nCHAT=7\n")
    env = {"PERPETUA_NOTIFY_SECRETS_FILE": str(file)}
    assert secrets_of(env) == {"TOKEN": "from-the-file", "CHAT": "7"}
    assert secrets_of(env | TOKEN)["TOKEN"] == TOKEN["PERPETUA_NOTIFY_TOKEN"]
    with pytest.raises(RoutesError):
        secrets_of({"PERPETUA_NOTIFY_SECRETS_FILE": str(tmp_path)})


def test_of_a_route_everything_is_shown_but_its_address() -> None:
    quiet = {"from": "22:00", "to": "07:00", "zone": "Europe/Berlin"}
    routes = parse({"routes": {"phone": {"apprise": "tgram://${TOKEN}/${CHAT}", "quiet": quiet, "accounts": ["main"]}}})
    assert rows(routes, {"TOKEN": "secret-of-mine"}) == [
        (
            "phone",
            "tgram",
            "alerts",
            "info",
            "main",
            "22:00-07:00 Europe/Berlin, but critical",
            "TOKEN (set), CHAT (not set here)",
        )
    ]
