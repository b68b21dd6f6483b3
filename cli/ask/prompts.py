"""`perpetua prompt show`: exactly what a model would be sent for the newest context of an account."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cli.ask.address import mongodb_url, nats_url
from cli.ask.models import Configured, of_run, whose
from cli.ask.records import newest_context, records
from cli.connection import connected
from cli.errors import CliError
from libs.configuration.mirror import ConfigMirror
from libs.configuration.templates import JinjaTemplates, TemplateFailed
from libs.schemas.context import TradingContext
from services.decider.application.prompting import Writer
from services.decider.domain import routing, seats
from services.decider.domain.catalogue import CatalogueEntry, UnknownModel, prompt_room
from services.decider.domain.gate import Denied
from services.decider.domain.prompt import Prompt, sha256
from services.decider.domain.seats import Seat

if TYPE_CHECKING:
    from services.decider.adapters.models import ModelsOnDemand


@dataclass(frozen=True, slots=True)
class ShownPrompt:
    context: TradingContext
    entry: CatalogueEntry
    prompt: Prompt
    by: str
    whose: str


async def show(state_dir: Path, account_id: str, model: str | None = None) -> ShownPrompt:
    """The prompt of the first model of the deciders' chain, or of `model`. CliError where it cannot be written."""
    nats, mongodb = nats_url(state_dir), mongodb_url(state_dir)
    async with connected(nats) as bus, records(mongodb) as db:
        mirror = ConfigMirror(bus)
        await mirror.start()
        try:
            context = await newest_context(bus, db, account_id)
            seat = seats.live(context)
            context, found = seat.shown(context), await of_run(state_dir, mirror.models)
            entry, by = _entry(found, mirror, (context, seat), model)
            async with way_to_models(found) as models:
                await models.prepare(entry)
                written = _written(Writer(JinjaTemplates(), models, mirror), context, entry)
                return ShownPrompt(context, entry, written, by, whose(found))
        finally:
            await mirror.stop()


@asynccontextmanager
async def way_to_models(found: Configured) -> "AsyncIterator[ModelsOnDemand]":
    from services.decider.app import models_of

    models = models_of(found.settings)
    try:
        yield models
    finally:
        await models.stop()


def _entry(
    found: Configured, mirror: ConfigMirror, where: tuple[TradingContext, Seat], model: str | None
) -> tuple[CatalogueEntry, str]:
    default, (context, seat) = ",".join(found.chain), where
    wishes = routing.wishes(default, mirror.models, mirror.account(context.account_id), context)
    wishes = replace(wishes, arm=seat.model)
    route = routing.Route(routing.names(model), "request") if model else routing.route(wishes)
    chain = routing.entries(found.catalogue, route.models)
    if isinstance(chain, UnknownModel):
        raise CliError(str(chain), "`perpetua models list` shows which there are")
    return chain[0], "--model" if model else route.by


def _written(writer: Writer, context: TradingContext, entry: CatalogueEntry) -> Prompt:
    try:
        prompt = writer.write(context, entry)
    except TemplateFailed as error:
        raise CliError(str(error), "`perpetua strategy preview --file` tries a template") from error
    if isinstance(prompt, Denied):
        raise CliError(prompt.detail, "such a decision passes this model over")
    return prompt


def lines(shown: ShownPrompt) -> list[str]:
    prompt, entry = shown.prompt, shown.entry
    return [
        f"account  {shown.context.account_id}, context {shown.context.context_id} "
        f"of {shown.context.timestamp:%Y-%m-%d %H:%M:%S} UTC",
        f"model    {entry.id}, chosen by {shown.by}, {shown.whose}; answers as {entry.structured}",
        f"prompt   version {prompt.version}, sha256 {sha256(prompt.messages)}",
        f"tokens   {prompt.tokens:,} of at most {prompt_room(entry):,}"
        + (f"; {prompt.shortened}" * bool(prompt.shortened)),
        *(line for message in prompt.messages for line in ("", f"--- {message['role']} ---", message["content"])),
    ]


def as_json(shown: ShownPrompt) -> str:
    prompt = shown.prompt
    body = {
        "account_id": shown.context.account_id,
        "context_id": shown.context.context_id,
        "model": shown.entry.id,
        "catalogue": shown.whose,
        "structured_output": shown.entry.structured,
        "prompt_version": prompt.version,
        "prompt_sha256": sha256(prompt.messages),
        "prompt_tokens": prompt.tokens,
        "shortened": prompt.shortened or None,
        "messages": [dict(message) for message in prompt.messages],
    }
    return json.dumps(body, indent=2, ensure_ascii=False)
