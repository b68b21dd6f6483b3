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
from services.gateway.application.trials import patience, tried
from services.gateway.domain.figures import span
from services.gateway.domain.models import (
    KeyCheckList,
    ModelHealthList,
    ModelList,
    ModelPerformance,
    ModelsSwitched,
    SwitchModelBody,
    ToldModels,
    health,
    listed,
    told_models,
)
from services.gateway.domain.problems import Away, Refusal, RequestRefused, invalid, not_found
from services.gateway.domain.trials import checked_keys, each_provider, refusal_of_trial
from services.gateway.ports import Deps

_CHECKED: TypeAdapter[KeyCheckList] = TypeAdapter(KeyCheckList)
_SWITCHED: TypeAdapter[ModelsSwitched] = TypeAdapter(ModelsSwitched)
MOST = 8  # models of a chain


@dataclass(frozen=True, slots=True)
class ModelsCall:
    """Who asks, and the Idempotency-Key that came with it."""

    key: ApiKey
    idempotency_key: str | None

    def use(self, content: str, in_hand: timedelta) -> Use:
        return Use(self.key, self.idempotency_key, content, in_hand)

    def why(self, body: SwitchModelBody) -> str:
        return body.reason or f"no reason given; asked for by the key {self.key.name[:60]}"


def available(deps: Deps) -> ModelList:
    """As the deciders say it."""
    return listed(told_models(deps.told.workers()), deps.accounts.models())


def healthy(deps: Deps) -> ModelHealthList:
    return health(deps.told.workers())


async def authenticated(deps: Deps, call: ModelsCall) -> KeyCheckList:
    """Whether each provider takes the key of each decider, asked now; no model is called."""
    told = told_models(deps.told.workers())
    chain = each_provider(told) if told else ()
    if not chain:
        return KeyCheckList(valid=None, items=[])

    async def work() -> KeyCheckList:
        trials = await tried(deps, call.key, chain, calls=False)
        return checked_keys(trials, told_models(deps.told.workers()))

    return await once(deps, call.use(f"keys:{','.join(chain)}", patience(chain)), _CHECKED, work)


async def performance(deps: Deps, key: ApiKey, model: str, timeframe: str) -> ModelPerformance:
    """Calls, latency, tokens and cost on the accounts that this key sees."""
    since, until = span(timeframe, deps.clock.now())
    calls = await deps.analytics.calls(since, key.accounts, model)
    if not calls and not any(one.knows(model) for one in told_models(deps.told.workers())):
        raise not_found(f"model {model}")
    return ModelPerformance(model=model, usage=usage(calls, since, until + timedelta(microseconds=1)))


async def switch(deps: Deps, call: ModelsCall, body: SwitchModelBody) -> ModelsSwitched:
    """Other models from the next context on: of one account, or of all that have none of their own."""
    if body.account_id is not None:
        seen_account(deps, call.key, body.account_id)
    elif call.key.accounts is not None:
        detail = "this API key is for certain accounts; name one of them in account_id, or take a key for all accounts"
        raise RequestRefused(Refusal(HTTPStatus.FORBIDDEN, "not-for-all-accounts", detail))
    chain = _chain(deps, body.model)

    async def work() -> ModelsSwitched:
        await _shown_to_answer(deps, call.key, chain)
        if body.account_id is None:
            return await _everywhere(deps, call, body, chain)
        return await _of_account(deps, call, body, body.account_id)

    return await once(deps, call.use(f"models:{body.model_dump_json()}", patience(chain)), _SWITCHED, work)


async def _shown_to_answer(deps: Deps, key: ApiKey, chain: tuple[str, ...]) -> None:
    """Refuses models that a decider cannot use: it checks their keys and asks each something small."""
    refusal = refusal_of_trial(await tried(deps, key, chain, calls=True)) if chain else None
    if refusal is not None:
        raise RequestRefused(refusal)


def _chain(deps: Deps, model: str | None) -> tuple[str, ...]:
    """The models of `a,b,c`, each of X."""
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
    return names


def _known(told: list[ToldModels], name: str) -> None:
    without = next((one for one in told if not one.knows(name)), None)
    if without is not None:
        known = ", ".join(sorted(without.entries))
        raise invalid(
            "body.model", f"the catalogue of {without.instance} has no model {name!r}: {known}"[:500], "unknown"
        )


async def _everywhere(deps: Deps, call: ModelsCall, body: SwitchModelBody, chain: tuple[str, ...]) -> ModelsSwitched:
    seen, who = await deps.desk.models.look(), by(call.key, call.why(body))
    if not chain:
        granted(await deps.desk.models.reset(seen, who))
        default = told_models(deps.told.workers())
        return ModelsSwitched(account_id=None, chain=list(default[0].chain) if default else [], version=None)
    wanted = ModelsConfig(chain=chain, switched_at=deps.clock.wall(), by=who.who, why=who.why)
    stored = granted(await deps.desk.models.switch(wanted, seen, who))
    return ModelsSwitched(account_id=None, chain=list(stored.body.chain), version=stored.body.version)


async def _of_account(deps: Deps, call: ModelsCall, body: SwitchModelBody, account_id: str) -> ModelsSwitched:
    who, state = by(call.key, call.why(body)), deps.accounts.state(account_id)
    stored = granted(await deps.desk.accounts.change(account_id, {"model": body.model}, who, state=state))
    chain = [part.strip() for part in (stored.body.model or "").split(",") if part.strip()]
    return ModelsSwitched(account_id=account_id, chain=chain, version=stored.body.version)
