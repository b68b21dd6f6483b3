"""From a context to what one model is asked: template, ticks, schema, and as much as fits; of a rule, the numbers."""

from dataclasses import dataclass, replace
from functools import partial

from libs.schemas.context import TradingContext
from libs.schemas.venue import VenueSymbol
from services.decider.domain.catalogue import CatalogueEntry, prompt_room
from services.decider.domain.figures import Ticks
from services.decider.domain.gate import Denial, Denied
from services.decider.domain.prompt import Form, Prompt, TooLong, build, fit, of_rule, template_variables
from services.decider.ports import DeciderConfiguration, Templates, Tokens


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes prompts. All that a prompt needs beside its context is here."""

    templates: Templates
    tokens: Tokens
    accounts: DeciderConfiguration

    def write(self, context: TradingContext, entry: CatalogueEntry) -> Prompt | Denied:
        """Denied where not even the shortest form fits this model. Raises TemplateFailed."""
        if entry.is_rule:
            prompt = of_rule(context)
            return replace(prompt, tokens=self.tokens.count(entry, prompt.messages))
        strategy = context.account_state.active_strategy
        page = self.templates.page(strategy.prompt_template, template_variables(context))
        filters = self._filters(context)
        ticks = Ticks({symbol: each.tick_size for symbol, each in filters.items()})
        form = Form(with_schema=True, ticks=ticks, filters=filters)
        found = fit(
            partial(build, context, page.text, form), page.view, partial(self.tokens.count, entry), prompt_room(entry)
        )
        if isinstance(found, TooLong):
            return Denied(Denial.TOO_LONG, _told(entry, found))
        return found

    def _filters(self, context: TradingContext) -> dict[str, VenueSymbol]:
        venue = context.account_state.venue
        symbols = {*context.symbols, *(held.symbol for held in context.account_state.open_positions)}
        known = {symbol: self.accounts.venue_symbol(venue, symbol) for symbol in sorted(symbols)}
        return {symbol: filters for symbol, filters in known.items() if filters is not None}


def _told(entry: CatalogueEntry, found: TooLong) -> str:
    return (
        f"{entry.id}: the prompt has {found.tokens} tokens in its shortest form, {found.room} fit: "
        "raise context_tokens in config/models.yaml, or decide about fewer assets"
    )
