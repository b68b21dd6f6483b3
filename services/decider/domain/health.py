"""How each model does, from its calls as this process saw them."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Literal

from libs.schemas.analytics import HealthStatus, ModelHealth
from libs.schemas.decision import ModelCall
from services.decider.domain.authentication import Check, KeyVerdict

Breaker = Literal["closed", "open", "half_open"]
_WELL = frozenset({"ok", "repaired", "invalid", "refused"})  # the provider answered, whatever the answer is worth


@dataclass(frozen=True, slots=True)
class ProviderHistory:
    last_success: datetime | None = None
    consecutive_failures: int = 0
    latency_ms: float | None = None

    def after(self, call: ModelCall, at: datetime) -> "ProviderHistory":
        if call.outcome not in _WELL:
            return replace(self, consecutive_failures=self.consecutive_failures + 1)
        return ProviderHistory(at, 0, call.latency_ms)


class Health:
    """One entry a model of the catalogue, and the last check of each provider's key. `breakers` tells what the gate
    knows of its breakers, by model; one that it does not name is closed."""

    def __init__(self, breakers: Callable[[], Mapping[str, Breaker]] = dict) -> None:
        self.breakers = breakers
        self.models: dict[str, ProviderHistory] = {}
        self.checks: dict[str, Check] = {}

    def saw(self, model: str, call: ModelCall, at: datetime) -> None:
        if not call.cached:
            self.models[model] = self.models.get(model, ProviderHistory()).after(call, at)

    def checked(self, check: Check) -> None:
        self.checks[check.provider] = check

    def status(self) -> HealthStatus:
        known = self.breakers()
        models = {
            name: ModelHealth(
                breaker=known.get(name, "closed"),
                last_success=seen.last_success,
                consecutive_failures=seen.consecutive_failures,
                latency_ms=seen.latency_ms,
            )
            for name, seen in self.models.items()
        }
        keys = {provider: check.line()[:4_000] for provider, check in self.checks.items()}
        proven = all(check.verdict in (KeyVerdict.VALID, KeyVerdict.UNPROVEN) for check in self.checks.values())
        well = all(model.breaker == "closed" and not model.consecutive_failures for model in models.values())
        return HealthStatus(healthy=proven and well, models=models, dependencies=keys)

    def detail(self) -> dict[str, Any]:
        """For /health: the status, and every field of the checks."""
        checks = [told(check) for check in self.checks.values()]
        return {**self.status().model_dump(mode="json"), "authentication": checks}


def told(check: Check) -> dict[str, Any]:
    return {**asdict(check), "at": check.at.isoformat()}
