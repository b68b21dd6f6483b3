"""`perpetua models`: which models there are, who decides, whether their keys work, and another one from now on."""

import getpass
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.ask.configuring import desk, granted
from cli.ask.deciders import NOTHING_RUNS, Silence, ToldByDecider, ask
from cli.ask.trying import refusals, tried
from cli.errors import CliError
from cli.files import todo
from libs.configuration.configuration import By
from libs.configuration.models import SeenModels
from libs.schemas.models import ModelsConfig
from services.decider.application import models_file
from services.decider.domain import routing
from services.decider.domain.authentication import WRONG, Check, KeyVerdict
from services.decider.domain.catalogue import Catalogue, CatalogueEntry, CatalogueError, UnknownModel
from services.decider.settings import Settings

if TYPE_CHECKING:
    from services.decider.application.trial import Trial


@dataclass(frozen=True, slots=True)
class Configured:
    """The catalogue, and who decides where nobody says otherwise: `chain`, because of `by`.

    `of` says whose truth that is: a decider's, or this environment's and why no decider was asked.
    """

    settings: Settings
    catalogue: Catalogue
    chain: tuple[str, ...]
    by: str
    seen: SeenModels
    of: ToldByDecider | Silence
    state_dir: Path | None = None


def configured(
    switched: ModelsConfig | None,
    env: Settings | None = None,
    revision: int = 0,
    of: ToldByDecider | Silence = Silence(NOTHING_RUNS),  # noqa: B008 - a frozen value
) -> Configured:
    """`revision` is the last one under which models were switched or reset. Raises CliError for a catalogue that cannot
    be read."""
    settings = env or Settings()
    catalogue = _catalogue(settings) if isinstance(of, Silence) else of.catalogue
    seen = SeenModels(switched, revision)
    if switched:
        by = f"switched to by {switched.by} at {switched.switched_at:%Y-%m-%d %H:%M:%S} UTC: {switched.why}"
        return Configured(settings, catalogue, switched.chain, by, seen, of)
    if isinstance(of, ToldByDecider):
        return Configured(settings, catalogue, catalogue.chain, of.by, seen, of)
    if settings.llm_model:
        return Configured(settings, catalogue, routing.names(settings.llm_model), "LLM_MODEL", seen, of)
    return Configured(settings, catalogue, catalogue.chain, "chain of models.yaml", seen, of)


def _catalogue(settings: Settings) -> Catalogue:
    try:
        return models_file.load(settings.config_dir)
    except CatalogueError as error:
        raise CliError(str(error), todo(settings.config_dir / "models.yaml")) from error


def whose(found: Configured) -> str:
    """Whom the rest speaks of."""
    if isinstance(found.of, Silence):
        return f"of this environment: {found.of.why}"
    return f"as {found.of.instance} has it"


async def of_run(state_dir: Path, switched: ModelsConfig | None, revision: int = 0) -> Configured:
    """What holds for the deciders of the run in `state_dir`, else for this environment."""
    return replace(configured(switched, revision=revision, of=await ask(state_dir)), state_dir=state_dir)


async def switched(url: str) -> ModelsConfig | None:
    """What was switched to in the run at `url`."""
    async with desk(url) as opened:
        return (await opened.models.look()).switched


async def looked(url: str, state_dir: Path) -> Configured:
    """What holds in the run at `url`, to be switched if nobody else does so first."""
    async with desk(url) as opened:
        seen = await opened.models.look()
    return await of_run(state_dir, seen.switched, seen.revision)


def list_lines(found: Configured) -> list[str]:
    lines = [f"decides: {', '.join(found.chain)}  ({found.by})", whose(found), ""]
    width = max(len(name) for name in found.catalogue.entries)
    for name, entry in found.catalogue.entries.items():
        at = f"{found.chain.index(name) + 1}." if name in found.chain else ""
        lines.append(
            f"{at:>3} {name:<{width}}  {_price(entry):<34}  {entry.structured:<11}  {entry.context_tokens:>9,}"
        )
    return lines


def _price(entry: CatalogueEntry) -> str:
    if entry.price is None:
        return "price: asked of the provider"
    if entry.is_free:
        return "free"
    return f"{entry.price.input:g} in, {entry.price.output:g} out USD a million"


def chain_of(found: Configured, models: Sequence[str]) -> tuple[CatalogueEntry, ...]:
    """The entries of these models, by default of those that decide. Raises CliError for one that is not there."""
    wanted = routing.names(",".join(models)) or found.chain
    entries = routing.entries(found.catalogue, wanted)
    if isinstance(entries, UnknownModel):
        raise CliError(str(entries), "`perpetua models list` shows which there are")
    return entries


async def check(found: Configured, chain: Sequence[CatalogueEntry], url: str | None = None) -> list[Check]:
    """A check of each provider's key, made now and for nothing: by the deciders, which are asked at `url`, else here.
    Without an address it is the decider's last one."""
    if isinstance(found.of, Silence):
        return await _check(found, chain)
    if url is None or found.state_dir is None:
        return _told(found.of, chain)
    async with desk(url) as opened:
        first, *others = await tried(
            opened, found.state_dir, [each.id for each in chain], getpass.getuser(), calls=False
        )
    checks = [_as_told(each) for each in (first.trial or {})["checks"]]
    known = {(each.provider, each.verdict) for each in checks}
    differing = (_as_told(each) for other in others for each in (other.trial or {})["checks"])
    return [*checks, *(each for each in differing if (each.provider, each.verdict) not in known)]


def _told(of: ToldByDecider, chain: Sequence[CatalogueEntry]) -> list[Check]:
    """One that the decider has not made is no word about its key."""
    known = {each["provider"]: each for each in of.checks}
    checks = []
    for provider in dict.fromkeys(entry.provider for entry in chain):
        names = tuple(entry.id for entry in chain if entry.provider == provider)
        told = known.get(provider)
        checks.append(_unchecked(of, provider, names) if told is None else _as_told(told))
    return checks


def _as_told(told: Mapping[str, Any]) -> Check:
    when = datetime.fromisoformat(told["at"])
    return Check(**{**told, "models": tuple(told["models"]), "verdict": KeyVerdict(told["verdict"]), "at": when})


def _unchecked(of: ToldByDecider, provider: str, names: tuple[str, ...]) -> Check:
    return Check(
        provider=provider,
        models=names,
        verdict=KeyVerdict.UNPROVEN,
        expected="a check by the decider",
        actual=f"none: {of.instance} checks the keys of models that decide by default",
        at=datetime.now(UTC),
        hint="`perpetua models switch` tries them",
    )


async def _check(found: Configured, chain: Sequence[CatalogueEntry]) -> list[Check]:
    from services.decider.app import keys_of

    keys, now = keys_of(found.settings), datetime.now(UTC)
    by_provider: dict[str, list[str]] = {}
    for entry in chain:
        by_provider.setdefault(entry.provider, []).append(entry.id)
    return [await keys.validate_authentication(provider, names, now) for provider, names in by_provider.items()]


def failed(checks: Sequence[Check]) -> bool:
    return any(each.verdict in WRONG for each in checks)


async def switch(url: str, found: Configured, chain: Sequence[CatalogueEntry], words: Mapping[str, str]) -> None:
    """Give the say to this chain, after each of its models has shown that it answers. Raises CliError otherwise, and
    where somebody else switched since `found` was looked at.

    `words` are `by` and `why`.
    """
    for refusal in await _refusals(url, found, chain, words["by"]):
        raise CliError(f"nothing was switched: {refusal}", "put that right, or switch to another model")
    wanted = ModelsConfig(
        chain=tuple(entry.id for entry in chain), switched_at=datetime.now(UTC), by=words["by"], why=words["why"]
    )
    async with desk(url) as opened:
        granted(await opened.models.switch(wanted, found.seen, By(words["by"], words["why"])))


async def unswitch(url: str, words: Mapping[str, str], state_dir: Path) -> Configured:
    """Back to what LLM_MODEL or models.yaml say."""
    async with desk(url) as opened:
        granted(await opened.models.reset(await opened.models.look(), By(words["by"], words["why"])))
    return await of_run(state_dir, None)


async def _refusals(url: str, found: Configured, chain: Sequence[CatalogueEntry], who: str) -> list[str]:
    """Why models of the chain cannot decide: as the deciders have tried them, or this process where none answers."""
    if isinstance(found.of, Silence) or found.state_dir is None:
        return [refusal for each in await _try(found, chain) if (refusal := each.refusal)]
    async with desk(url) as opened:
        return refusals(await tried(opened, found.state_dir, [each.id for each in chain], who, calls=True))


async def _try(found: Configured, chain: Sequence[CatalogueEntry]) -> "list[Trial]":
    from services.decider.app import keys_of, models_of
    from services.decider.application.trial import trial

    models = models_of(found.settings)
    try:
        return await trial(models, keys_of(found.settings), chain, datetime.now(UTC))
    finally:
        await models.stop()
