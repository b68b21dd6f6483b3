"""What the notifier is made of, and what keeps it from being made."""

from pathlib import Path

import pytest
from pydantic_settings import SettingsError

from libs.runtime.settings import settings_error
from libs.schemas.subjects import DURABLES
from services.notifier.app import create_app
from services.notifier.settings import Settings


def write(folder: Path, text: str) -> Settings:
    (folder / "notifications.yaml").write_text(text)
    return Settings(config_dir=folder)


async def test_without_routes_it_is_there_and_idle(tmp_path: Path) -> None:
    worker = create_app(Settings(config_dir=tmp_path), {})
    assert {one.name for one in worker.durables} == {one.name for one in DURABLES if one.name.startswith("notifier-")}
    assert worker.details() == {"routes": {}}


async def test_it_shows_of_its_routes_the_services_alone(tmp_path: Path) -> None:
    settings = write(tmp_path, "routes: {phone: {apprise: 'tgram://${TOKEN}/7'}, desk: {webhook: 'https://x/y'}}")
    worker = create_app(settings, {"PERPETUA_NOTIFY_TOKEN": "123456789:abcdefg"})
    assert worker.details() == {"routes": {"phone": "tgram", "desk": "webhook"}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("routes: {phone: {aprise: 'tgram://a/b'}}", "phone.aprise: there is no such field; did you mean apprise?"),
        ("routes: {phone: {apprise: 'tgram://${TOKN}/7'}}", "phone: nothing is said for ${TOKN}"),
        ("routes: {phone: {apprise: '${TOKEN}'}}", "phone: apprise: no service takes this address"),
    ],
)
async def test_a_route_that_leads_nowhere_is_one_line_without_secrets(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError) as error:
        create_app(write(tmp_path, text), {"PERPETUA_NOTIFY_TOKEN": "secret-of-mine"})
    line = settings_error(error.value)
    assert said in line
    assert "\n" not in line and "of-mine" not in line
