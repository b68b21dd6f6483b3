"""Models: which there are, who decides, another one from now on, and how they do."""

from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus

from pydantic import TypeAdapter

from libs.analytics.usage import usage
from libs.records.keys import ApiKey
from libs.schemas.models import ModelsConfig
from services.gateway.application.access import seen_account
from services.gateway.application.changes import by, granted
from services.gateway.application.claiming import Use, once
from services.gateway.domain.figures import span
from services.gateway.domain.models import (
    BAD_KEYS,
    KeyCheckList,
    ModelHealthList,
    ModelList,
    ModelPerformance,
    ModelsSwitched,
    SwitchModelBody,
    ToldModels,
    health,
    key_checks,
    listed,
    told_models,
)
from services.gateway.domain.problems import Away, Refusal, RequestRefused, invalid, not_found
from services.gateway.ports import Deps

_SWITCHED: TypeAdapter[ModelsSwitched] = TypeAdapter(ModelsSwitched)
MOST = 8  # models of a chain


@dataclass(frozen=True, slots=True)
class SwitchCall:
    """Who switches, and the Idempotency-Key that came with it."""

    key: ApiKey
    idempotency_key: str | None

    def why(self, body: SwitchModelBody) -> str:
        return body.reason or f"no reason given; asked for by the key {self.key.name[:60]}"


def available(deps: Deps) -> ModelList:
    """As the deciders say it."""
    return listed(told_models(deps.told.workers()), deps.accounts.models())


def healthy(deps: Deps) -> ModelHealthList:
    return health(deps.told.workers())


def authenticated(deps: Deps) -> KeyCheckList:
    """What the last checks of the providers' keys found."""
    return key_checks(deps.told.workers())


async def performance(deps: Deps, key: ApiKey, model: str, timeframe: str) -> ModelPerformance:
    """Calls, latency, tokens and cost on the accounts that this key sees."""
    since, until = span(timeframe, deps.clock.now())
    calls = await deps.analytics.calls(since, key.accounts, model)
    if not calls and not any(one.knows(model) for one in told_models(deps.told.workers())):
        raise not_found(f"model {model}")
    return ModelPerformance(model=model, usage=usage(calls, since, until + timedelta(microseconds=1)))


async def switch(deps: Deps, call: SwitchCall, body: SwitchModelBody) -> ModelsSwitched:
    """Other models from the next context on: of one account, or of all that have none of their own."""
    if body.account_id is not None:
        seen_account(deps, call.key, body.account_id)
    elif call.key.accounts is not None:
        detail = "this API key is for certain accounts; name one of them in account_id, or take a key for all accounts"
        raise RequestRefused(Refusal(HTTPStatus.FORBIDDEN, "not-for-all-accounts", detail))
    chain = _chain(deps, body.model)

    async def work() -> ModelsSwitched:
        if body.account_id is None:
            return await _everywhere(deps, call, body, chain)
        return await _of_account(deps, call, body, body.account_id)

    content = f"models:{body.model_dump_json()}"
    return await once(deps, Use(call.key, call.idempotency_key, content), _SWITCHED, work)


def _chain(deps: Deps, model: str | None) -> tuple[str, ...]:
    """The models of `a,b,c`, each of which every decider knows and has a key for that was not refused."""
    if model is None:
        return ()
    names = tuple(dict.fromkeys(name for part in model.split(",") if (name := part.strip())))
    if not 1 <= len(names) <= MOST:
        raise invalid("body.model", f"name 1 to {MOST} models, separated by commas")
    told = told_models(deps.told.workers())
    if not told:
        raise Away("decider")
    for name in names:
        _known(told, name)
        _with_key(deps, name)
    return names


def _known(told: list[ToldModels], name: str) -> None:
    without = next((one for one in told if not one.knows(name)), None)
    if without is not None:
        known = ", ".join(sorted(without.entries))
        raise invalid(
            "body.model", f"the catalogue of {without.instance} has no model {name!r}: {known}"[:500], "unknown"
        )


def _with_key(deps: Deps, name: str) -> None:
    for check in key_checks(deps.told.workers()).items:
        if name in check.models and check.verdict in BAD_KEYS:
            detail = f"nothing was switched: {check.provider} says {check.verdict} ({check.actual}); {check.hint}"
            raise RequestRefused(Refusal(HTTPStatus.CONFLICT, "model-without-key", detail[:500]))


async def _everywhere(deps: Deps, call: SwitchCall, body: SwitchModelBody, chain: tuple[str, ...]) -> ModelsSwitched:
    seen, who = await deps.desk.models.look(), by(call.key, call.why(body))
    if not chain:
        granted(await deps.desk.models.reset(seen, who))
        default = told_models(deps.told.workers())
        return ModelsSwitched(account_id=None, chain=list(default[0].chain) if default else [], version=None)
    wanted = ModelsConfig(chain=chain, switched_at=deps.clock.wall(), by=who.who, why=who.why)
    stored = granted(await deps.desk.models.switch(wanted, seen, who))
    return ModelsSwitched(account_id=None, chain=list(stored.body.chain), version=stored.body.version)


async def _of_account(deps: Deps, call: SwitchCall, body: SwitchModelBody, account_id: str) -> ModelsSwitched:
    who, state = by(call.key, call.why(body)), deps.accounts.state(account_id)
    stored = granted(await deps.desk.accounts.change(account_id, {"model": body.model}, who, state=state))
    chain = [part.strip() for part in (stored.body.model or "").split(",") if part.strip()]
    return ModelsSwitched(account_id=account_id, chain=chain, version=stored.body.version)
