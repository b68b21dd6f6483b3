"""The decider's process: LiteLLM in its one call path. `python -m services.decider.app`."""

import asyncio
import logging
from dataclasses import replace

from libs.configuration.mirror import ConfigMirror
from libs.configuration.templates import JinjaTemplates
from libs.runtime.clock import WallClock
from libs.runtime.worker import Worker, run
from libs.schemas.account import Budgets
from libs.schemas.kinds import ConfigValue
from services.decider.adapters.alerts import Alerts
from services.decider.adapters.endpoints import Endpoint
from services.decider.adapters.gate import RedisGate
from services.decider.adapters.keys import ProviderKeys
from services.decider.adapters.models import ModelsOnDemand
from services.decider.adapters.rebuild import NatsProposals, Rebuild
from services.decider.adapters.redis import RedisAnswers, RedisIncidents
from services.decider.adapters.scripts import Scripts
from services.decider.adapters.spans import TracedModels
from services.decider.application import models_file
from services.decider.application.keys import KeyChecks
from services.decider.application.needed import NeededModels
from services.decider.application.trials import Trials
from services.decider.domain import routing
from services.decider.domain.breaker import BreakerRules
from services.decider.domain.budget import limits_of
from services.decider.domain.catalogue import Catalogue, CatalogueEntry, UnknownModel
from services.decider.domain.gate_rules import GateRules
from services.decider.domain.policy import CallLimits
from services.decider.domain.spending import Spending
from services.decider.domain.told import SECTION, TRIAL, section
from services.decider.handlers import routes
from services.decider.metrics import DeciderMetrics, GateCollector, GateMetrics
from services.decider.ports import Deps
from services.decider.settings import Settings

log = logging.getLogger(__name__)


def create_app(settings: Settings | None = None) -> Worker:
    settings = settings or Settings()
    worker = Worker("decider", settings)
    catalogue = models_file.load(settings.config_dir)
    models, answers, keys = models_of(settings), RedisAnswers(settings.redis_url), keys_of(settings)
    trials = Trials(catalogue, models, keys, worker.clock.wall, worker.tell)
    default_model = settings.llm_model or ",".join(catalogue.chain)
    needed = NeededModels(catalogue, default_model, models)
    accounts = mirror_of(worker, trials, needed)
    for service in (answers, accounts, needed):
        worker.add(service)
    gate, shadow_gate = gates_of(worker, settings, catalogue)
    metrics = DeciderMetrics(worker.registry, catalogue, worker.clock.wall, lambda: gate.breakers)
    deps = Deps(
        clock=worker.clock,
        accounts=accounts,
        catalogue=catalogue,
        default_model=default_model,
        models=TracedModels(models),
        answers=answers,
        gate=gate,
        shadow_gate=shadow_gate,
        incidents=RedisIncidents(answers.link),
        templates=JinjaTemplates(),
        tokens=models,
        limits=CallLimits(
            settings.decider_deadline_s, settings.decider_max_calls, backoff_s=settings.decider_backoff_s
        ),
        concurrency=settings.decider_concurrency,
        sleep=asyncio.sleep,
        observe=metrics.observe,
        session=settings.session,
    )
    _tell_models(deps, settings)
    worker.include(routes(deps))
    checks = KeyChecks(deps, keys, worker.bus.publish, metrics.checked)
    worker.background("keys", lambda: checks.run(settings.decider_auth_check_s))
    worker.background("trials", trials.run)
    worker.background("needed models", needed.run)
    worker.detail("models", metrics.health.detail)
    worker.detail(TRIAL, trials.detail)
    default = section(catalogue, settings.llm_model, routing.names(deps.default_model))
    worker.detail(SECTION, lambda: default)
    return worker


def mirror_of(worker: Worker, trials: Trials, needed: NeededModels) -> ConfigMirror:
    def heard(key: str, value: ConfigValue | None) -> None:
        trials.heard(key, value)
        needed.heard(key, value)

    return ConfigMirror(worker.bus, on_change=heard)


def gates_of(worker: Worker, settings: Settings, catalogue: Catalogue) -> tuple[RedisGate, RedisGate]:
    """The gate, and that of shadow arms: two sets of rules about the same counters."""
    metrics, rules = GateMetrics(worker.registry), rules_of(settings)
    scripts, alerts = Scripts(settings.redis_url, metrics.redis), Alerts(worker.bus, metrics.warned)

    def find(model: str) -> CatalogueEntry | None:
        found = catalogue.find(model)
        return None if isinstance(found, UnknownModel) else found

    def spending(at: int) -> Spending:
        return Spending(at, find, rules.unpriced_usd)

    rebuild = Rebuild(scripts, NatsProposals(worker.bus), worker.clock, spending, holder=settings.instance)
    gate = RedisGate(scripts, rules, worker.clock, rebuild, alerts.add, metrics.denied)
    GateCollector(worker.registry, limits_of(rules.budgets), lambda: gate.spent, lambda: gate.breakers)
    yielding = replace(rules, yields=True)
    shadow_gate = RedisGate(scripts, yielding, worker.clock, rebuild, alerts.add, metrics.denied)
    for service in (scripts, rebuild):
        worker.add(service)
    worker.background("gate", lambda: gate.watch(tuple(catalogue.entries.values()), catalogue.label))
    worker.background("shadow gate", shadow_gate.watch)
    worker.background("alerts", alerts.run)
    worker.detail("redis", lambda: "up" if scripts.up else "away: paid models abstain, limits are this process's own")
    return gate, shadow_gate


def rules_of(settings: Settings) -> GateRules:
    return GateRules(
        breaker=BreakerRules(
            failures=settings.breaker_failures,
            open_ms=int(settings.breaker_open_s * 1000),
            longest_ms=int(max(settings.breaker_open_s, settings.breaker_longest_s) * 1000),
            lease_ms=int(settings.decider_deadline_s * 1000) + 2_000,
        ),
        provider_rate=settings.provider_rate,
        budgets=Budgets(
            usd_per_hour=settings.budget_usd_per_hour,
            usd_per_day=settings.budget_usd_per_day,
            tokens_per_hour=settings.budget_tokens_per_hour,
            tokens_per_day=settings.budget_tokens_per_day,
        ),
        unpriced_usd=settings.budget_unpriced_usd,
        patience_s=settings.breaker_patience_s,
    )


def endpoints_of(settings: Settings) -> dict[str, Endpoint]:
    router_key, own_key = (
        secret.get_secret_value() if secret else None for secret in (settings.openrouter_api_key, settings.llm_api_key)
    )
    return {
        "openrouter": Endpoint(settings.openrouter_api_base, router_key, "OPENROUTER_API_KEY", asks_key=True),
        "openai-compatible": Endpoint(settings.llm_base_url, own_key, "LLM_API_KEY", asks_key=False),
    }


def keys_of(settings: Settings) -> ProviderKeys:
    return ProviderKeys(endpoints_of(settings))


def models_of(settings: Settings) -> ModelsOnDemand:
    return ModelsOnDemand(endpoints_of(settings), WallClock().wall)


def _tell_models(deps: Deps, settings: Settings) -> None:
    """Say at start what every decision of an account without a model of its own would otherwise say."""
    chain = routing.entries(deps.catalogue, routing.names(deps.default_model))
    if isinstance(chain, UnknownModel):
        log.error("LLM_MODEL: %s; until then every such decision abstains", chain)
        return
    for entry in chain:
        if entry.provider == "openrouter" and settings.openrouter_api_key is None:
            log.error("LLM_MODEL is %s, but OPENROUTER_API_KEY is not set: such calls fail (auth)", entry.id)
        elif entry.provider == "openai-compatible" and settings.llm_base_url is None:
            log.error("LLM_MODEL is %s, but LLM_BASE_URL is not set: such calls fail (auth)", entry.id)


if __name__ == "__main__":
    run(create_app)
