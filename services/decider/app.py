"""The decider's process: LiteLLM in its one call path. `python -m services.decider.app`."""

import asyncio
import logging

from libs.runtime.mirror import ConfigMirror
from libs.runtime.worker import Worker, run
from services.decider.adapters import models_file
from services.decider.adapters.jinja import JinjaTemplates
from services.decider.adapters.litellm import Endpoint, LiteLLM
from services.decider.adapters.redis import RedisAnswers
from services.decider.domain.catalogue import Catalogue, UnknownModel
from services.decider.domain.policy import Limits
from services.decider.handlers import routes
from services.decider.metrics import DeciderMetrics
from services.decider.ports import Deps
from services.decider.settings import Settings

log = logging.getLogger(__name__)


def create_app(settings: Settings | None = None) -> Worker:
    settings = settings or Settings()
    worker = Worker("decider", settings)
    catalogue = models_file.load(settings.config_dir)
    models, answers, accounts = models_of(settings), RedisAnswers(settings.redis_url), ConfigMirror(worker.bus)
    for service in (models, answers, accounts):
        worker.add(service)
    _tell_model(catalogue, settings)
    deps = Deps(
        clock=worker.clock,
        accounts=accounts,
        catalogue=catalogue,
        default_model=settings.llm_model,
        models=models,
        answers=answers,
        templates=JinjaTemplates(),
        limits=Limits(deadline_s=settings.decider_deadline_s, max_calls=settings.decider_max_calls),
        concurrency=settings.decider_concurrency,
        sleep=asyncio.sleep,
        observe=DeciderMetrics(worker.registry).observe,
    )
    worker.include(routes(deps))
    return worker


def models_of(settings: Settings) -> LiteLLM:
    router_key, own_key = (
        secret.get_secret_value() if secret else None for secret in (settings.openrouter_api_key, settings.llm_api_key)
    )
    return LiteLLM(
        openrouter=Endpoint(settings.openrouter_api_base, router_key, "OPENROUTER_API_KEY", asks_key=True),
        compatible=Endpoint(settings.llm_base_url, own_key, "LLM_API_KEY", asks_key=False),
    )


def _tell_model(catalogue: Catalogue, settings: Settings) -> None:
    """Say at start what every decision of an account without a model of its own would otherwise say."""
    entry = catalogue.find(settings.llm_model)
    if isinstance(entry, UnknownModel):
        log.error("LLM_MODEL: %s; until then every such decision abstains", entry)
    elif entry.provider == "openrouter" and settings.openrouter_api_key is None:
        log.error("LLM_MODEL is %s, but OPENROUTER_API_KEY is not set: such decisions abstain (auth)", entry.id)
    elif entry.provider == "openai-compatible" and settings.llm_base_url is None:
        log.error("LLM_MODEL is %s, but LLM_BASE_URL is not set: such decisions abstain (auth)", entry.id)


if __name__ == "__main__":
    run(create_app)
