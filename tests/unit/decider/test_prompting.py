"""What a model is asked: ticks of the venue, the form it needs, as much as fits, the next model where nothing does."""

from decimal import Decimal

from libs.configuration.templates import JinjaTemplates
from libs.schemas.reasons import AbstainReason
from services.decider.application.deciding import decide
from services.decider.application.prompting import Writer
from services.decider.domain.catalogue import CatalogueEntry, prompt_room
from services.decider.domain.gate import Denial, Denied
from services.decider.domain.prompt import Prompt
from tests import builders
from tests.fakes.decider_contexts import account, context, strategy
from tests.fakes.decider_ports import BytesPerToken, MemoryAccounts, ScriptedModels, StoppedClock, deps
from tests.unit.decider.test_handlers import MADE, answer

GPT = "openrouter/openai/gpt-5"
BTC = builders.venue(tick_size=Decimal(10))


def model(tokens: int, **changes: object) -> CatalogueEntry:
    return CatalogueEntry.model_validate(
        {"id": "openai-compatible/small", "provider": "openai-compatible", "context_tokens": tokens, **changes}
    )


def write(entry: CatalogueEntry) -> Prompt | Denied:
    return Writer(JinjaTemplates(), BytesPerToken(), MemoryAccounts(venue=(BTC,))).write(MADE, entry)


def test_prices_stand_on_the_venues_ticks() -> None:
    prompt = write(model(100_000))
    assert isinstance(prompt, Prompt)
    assert "## BTCUSDT (USD): last 94230, mark 94240" in prompt.user
    assert "## ETHUSDT (USD): last 1812.44" in prompt.user


def test_the_schema_and_the_data_are_in_where_they_are_needed() -> None:
    told, knows, rule = (
        write(model(100_000)),
        write(model(100_000, capabilities=["json_schema"])),
        write(model(100_000, id="builtin/trend", provider="builtin", capabilities=["json_schema"])),
    )
    assert all(isinstance(prompt, Prompt) for prompt in (told, knows, rule))
    assert ["follows this schema" in p.system for p in (told, knows, rule) if isinstance(p, Prompt)] == [
        True,
        True,  # not every host heeds what `response_format` says
        False,
    ]
    assert ["<data>" in p.user for p in (told, knows, rule) if isinstance(p, Prompt)] == [False, False, True]


def test_the_tokens_are_known_before_the_call_and_leave_room_for_an_answer_and_a_repair() -> None:
    entry = model(16_000, params={"max_tokens": 2_000})
    assert prompt_room(entry) == (16_000 - 4_000) * 9 // 10
    prompt = write(entry)
    assert isinstance(prompt, Prompt)
    assert prompt.tokens == BytesPerToken().count(entry, prompt.messages)


def test_a_small_model_gets_a_shorter_prompt_and_one_that_is_too_small_none() -> None:
    whole, short, none = (write(model(tokens, capabilities=["json_schema"])) for tokens in (24_000, 10_000, 2_000))
    assert isinstance(whole, Prompt)
    assert isinstance(short, Prompt)
    assert isinstance(none, Denied)
    assert (whole.shortened, short.shortened.startswith("shortened to fit: closes 20 → 10")) == ("", True)
    assert none.why is Denial.TOO_LONG
    assert "raise context_tokens in config/models.yaml, or decide about fewer assets" in none.detail


async def test_the_record_says_what_was_shortened_and_how_many_tokens_were_sent() -> None:
    clock = StoppedClock()
    models = ScriptedModels(clock, answer())
    wired = deps(models, clock, default_model="openai-compatible/small")
    wired.catalogue.entries["openai-compatible/small"] = model(10_000, capabilities=["json_schema"])  # type: ignore[index]
    (call,) = (await decide(wired, MADE)).calls
    assert call.notes[0].startswith("prompt shortened to fit: closes 20 → 10")
    assert call.prompt_tokens == BytesPerToken().count(model(10_000), models.calls[0][1])
    assert call.prompt_tokens <= prompt_room(model(10_000))


async def test_a_model_whose_context_is_too_small_is_passed_over_and_nothing_is_sent() -> None:
    clock = StoppedClock()
    models = ScriptedModels(clock, answer())
    wired = deps(models, clock, default_model=f"openai-compatible/small,{GPT}")
    wired.catalogue.entries["openai-compatible/small"] = model(2_000)  # type: ignore[index]
    proposal = await decide(wired, MADE)
    assert [name for name, _, _ in models.calls] == [GPT]
    assert proposal.status == "proposed"
    assert "tokens in its shortest form" in proposal.not_asked[0]


async def test_where_no_model_is_large_enough_it_abstains() -> None:
    clock = StoppedClock()
    wired = deps(ScriptedModels(clock), clock, default_model="openai-compatible/small")
    wired.catalogue.entries["openai-compatible/small"] = model(2_000)  # type: ignore[index]
    proposal = await decide(wired, MADE)
    assert (proposal.abstain_reason, proposal.calls) == (AbstainReason.INVALID, ())
    assert "tokens in its shortest form" in (proposal.abstain_detail or "")


async def test_a_template_that_asks_for_what_there_is_not_abstains_with_its_reason() -> None:
    clock = StoppedClock()
    asks = account(active_strategy=strategy(prompt_template="{% set columns = ['ema21'] %}x"))
    proposal = await decide(deps(ScriptedModels(clock), clock, default_model=GPT), context(account_state=asks))
    assert proposal.abstain_reason is AbstainReason.INVALID
    assert "there is no ema21" in (proposal.abstain_detail or "")
