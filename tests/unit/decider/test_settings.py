"""What the environment may say, and what an app is made of without any of it."""

import pytest
from pydantic import ValidationError

from libs.runtime.pull import Pull
from libs.schemas import subjects
from services.decider.app import create_app
from services.decider.application import models_file
from services.decider.settings import CONFIG, OPENROUTER, Settings

VARIABLES = (
    "LLM_MODEL", "LLM_BASE_URL", "LLM_API_KEY", "OPENROUTER_API_KEY", "OPENROUTER_API_BASE", "PERPETUA_CONFIG_DIR",
    "PERPETUA_DECIDER_CONCURRENCY", "PERPETUA_DECIDER_DEADLINE_S", "REDIS_URL",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_the_default_model_is_builtin_trend_also_with_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-or-v1-x")
    monkeypatch.setenv("LLM_MODEL", "")
    settings = Settings()
    assert (settings.llm_model, models_file.load(CONFIG).chain) == (None, ("builtin/trend",))
    assert settings.openrouter_api_base == OPENROUTER
    assert (settings.decider_concurrency, settings.decider_deadline_s, settings.config_dir) == (64, 20, CONFIG)


def test_users_keep_the_variables_they_have(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "LLM_MODEL": "openrouter/openai/gpt-5",
        "LLM_BASE_URL": "http://127.0.0.1:1/v1",
        "LLM_API_KEY": "own",
        "OPENROUTER_API_KEY": "sk-or-0815",
        "PERPETUA_DECIDER_CONCURRENCY": "5",
        "REDIS_URL": "redis://r/1",
    }.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert (settings.llm_model, settings.llm_base_url) == ("openrouter/openai/gpt-5", "http://127.0.0.1:1/v1")
    assert (settings.decider_concurrency, settings.redis_url) == (5, "redis://r/1")
    assert settings.openrouter_api_key is not None
    assert settings.openrouter_api_key.get_secret_value() == "sk-or-0815"
    assert "sk-or-0815" not in repr(settings)


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValidationError):
        Settings(decider_concurrency=0)


def test_an_app_needs_no_server_and_pulls_from_its_durable_only() -> None:
    worker = create_app(Settings())
    assert worker.durables == (subjects.DECIDER_CONTEXTS, subjects.DECIDER_SHADOWS)
    assert sum(sub.places for sub in worker.broker.subscribers if isinstance(sub, Pull)) == 64 + 8


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"llm_model": "gpt-99"}, "the catalogue has no model 'gpt-99'"),
        ({"llm_model": "openrouter/openai/gpt-5"}, "OPENROUTER_API_KEY is not set"),
        ({"llm_model": "openai-compatible/qwen3"}, "LLM_BASE_URL is not set"),
    ],
)
def test_a_model_that_cannot_work_is_told_at_start(
    changes: dict[str, str], message: str, caplog: pytest.LogCaptureFixture
) -> None:
    create_app(Settings.model_validate(changes))
    assert message in caplog.text
