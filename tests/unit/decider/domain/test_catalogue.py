"""The catalogue: what ships, what is refused, what a call costs."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.schemas.decision import TokenUsage
from services.decider.application import models_file
from services.decider.domain.catalogue import (
    Catalogue,
    CatalogueEntry,
    CatalogueError,
    UnknownModel,
    cost,
    parse,
    worst_case,
)
from tests.fakes.decider_ports import CONFIG


def entry(**changes: Any) -> dict[str, Any]:
    plain = {
        "id": "openrouter/a/b",
        "provider": "openrouter",
        "price": {"input": 2, "output": 10},
        "context_tokens": 8000,
    }
    return plain | changes


@pytest.fixture(scope="module")
def shipped() -> Catalogue:
    return models_file.load(CONFIG)


@pytest.mark.parametrize("word", ["gpt-5", "grok-4", "deepseek-r1", "claude", "gemini"])
def test_the_shipped_catalogue_has_an_openrouter_entry_for_each_of_the_models_asked_for(
    shipped: Catalogue, word: str
) -> None:
    assert [e.provider for e in shipped.entries.values() if word in e.id] == ["openrouter"]


def test_builtin_trend_is_free_and_the_only_free_model(shipped: Catalogue) -> None:
    assert [e.id for e in shipped.entries.values() if e.is_free] == ["builtin/trend"]


def test_an_unknown_model_is_refused_by_name_with_the_known_ones(shipped: Catalogue) -> None:
    refused = shipped.find("openrouter/openai/gpt-9")
    assert isinstance(refused, UnknownModel)
    assert "'openrouter/openai/gpt-9'" in str(refused)
    assert all(known in str(refused) for known in shipped.entries)


@pytest.mark.parametrize(
    "model", ["", "gpt-5", "openai-compatible/", "openai-compatible/*", "openrouter/*", "builtin/x"]
)
def test_no_pattern_opens_more_than_its_own_server(shipped: Catalogue, model: str) -> None:
    assert isinstance(shipped.find(model), UnknownModel)


def test_a_wildcard_stands_for_every_model_of_ones_own_server(shipped: Catalogue) -> None:
    found = shipped.find("openai-compatible/org/qwen3:14b")
    assert isinstance(found, CatalogueEntry)
    assert (found.id, found.provider) == ("openai-compatible/org/qwen3:14b", "openai-compatible")


def test_a_full_name_goes_before_the_wildcard() -> None:
    own = entry(id="openai-compatible/*", provider="openai-compatible", price=None)
    named = own | {"id": "openai-compatible/x", "price": {"input": 0, "output": 0}}
    found = parse({"models": [own, named]}).find("openai-compatible/x")
    assert isinstance(found, CatalogueEntry)
    assert found.is_free


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "the file"),
        ({"models": []}, "models: Tuple should have at least 1 item"),
        ({"models": [entry(provider="aws")]}, "models.0.provider (openrouter/a/b): Input should be 'builtin'"),
        ({"models": [entry(price={"input": -1, "output": 1})]}, "models.0.price.input (openrouter/a/b)"),
        (
            {"models": [entry(capability=["seed"])]},
            "models.0.capability (openrouter/a/b): there is no such field; did you mean capabilities?",
        ),
        ({"models": [entry(timeout_s=0)]}, "models.0.timeout_s (openrouter/a/b)"),
        ({"models": ["gpt"]}, "models.0: Input should be"),
        ({"models": [entry(), entry()]}, "openrouter/a/b is listed twice"),
    ],
)
def test_a_wrong_file_names_the_place(data: Any, message: str) -> None:
    with pytest.raises(CatalogueError) as raised:
        parse(data)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


PRICED = CatalogueEntry.model_validate(entry(price={"input": 2, "output": 10, "cached_input": 0.5}))
FREE = CatalogueEntry.model_validate(entry(price={"input": 0, "output": 0}))
UNPRICED = CatalogueEntry.model_validate(entry(price=None))
USED = TokenUsage(prompt=1_000_000, completion=100_000)


@pytest.mark.parametrize(
    ("of", "usage", "reported", "expected"),
    [
        (PRICED, USED, 0.5, (0.5, "provider")),
        (PRICED, USED, 0.0, (3.0, "catalogue")),
        (UNPRICED, USED, 0.0, (None, "unknown")),
        (FREE, USED, 0.0, (0.0, "catalogue")),
        (PRICED, None, 0.5, (0.5, "provider")),
        (PRICED, USED, None, (3.0, "catalogue")),
        (PRICED, USED.model_copy(update={"cached": 400_000}), None, (2.4, "catalogue")),
        (PRICED, USED.model_copy(update={"cached": 9_000_000}), None, (1.5, "catalogue")),
        (PRICED, None, None, (None, "unknown")),
        (UNPRICED, USED, None, (None, "unknown")),
        (FREE, USED, None, (0.0, "catalogue")),
        (FREE, None, None, (0.0, "catalogue")),
    ],
)
def test_the_provider_is_believed_first_and_an_unknown_cost_is_null(
    of: CatalogueEntry, usage: TokenUsage | None, reported: float | None, expected: tuple[float | None, str]
) -> None:
    dollars, source = cost(of, usage, reported)
    assert (dollars if dollars is None else pytest.approx(dollars), source) == expected


def test_reasoning_is_charged_at_its_own_price_once() -> None:
    priced = CatalogueEntry.model_validate(entry(price={"input": 2, "output": 10, "reasoning": 4, "cached_input": 1}))
    within = TokenUsage(prompt=1_000, cached=400, completion=300, reasoning=100)
    dollars, source = cost(priced, within, None)
    assert dollars == pytest.approx((600 * 2 + 400 * 1 + 200 * 10 + 100 * 4) / 1e6)
    assert source == "catalogue"
    beside = TokenUsage(prompt=0, completion=50, reasoning=100)  # some providers do not count it as completion
    assert cost(priced, beside, None)[0] == pytest.approx((50 * 10 + 100 * 4) / 1e6)


@given(
    st.text(max_size=300), st.integers(0, 5_000), st.integers(0, 5_000), st.integers(0, 5_000), st.integers(0, 2_000)
)
def test_a_call_never_comes_to_more_than_its_worst_case(
    text: str, prompt: int, cached: int, completion: int, reasoning: int
) -> None:
    priced = CatalogueEntry.model_validate(
        entry(price={"input": 2, "output": 10, "reasoning": 12, "cached_input": 1}, params={"max_tokens": 2_000})
    )
    worst = worst_case(priced, ({"role": "user", "content": text},))
    tokens = len(text.encode("utf-8", "replace")) // 2
    used = TokenUsage(
        prompt=min(prompt, tokens),
        cached=cached,
        completion=min(completion, 2_000),
        reasoning=min(reasoning, completion),
    )
    dollars, _ = cost(priced, used, None)
    assert worst.usd is not None
    assert dollars is not None
    assert dollars <= worst.usd + 1e-12
    assert used.prompt + used.completion <= worst.tokens


def test_a_model_without_a_price_is_bounded_in_tokens() -> None:
    plain = CatalogueEntry.model_validate(entry(price=None, params={"max_completion_tokens": 500}))
    worst = worst_case(plain, ({"role": "user", "content": "x" * 1_000},))
    assert (worst.usd, worst.tokens) == (None, 500 + 1_009)


LONGER: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("twice as long", {"max_tokens": 1_000}, {"max_tokens": 2_000}),
    ("by the name that the model knows", {"max_completion_tokens": 1_000}, {"max_completion_tokens": 2_000}),
    ("half of the context at most", {"max_tokens": 3_000}, {"max_tokens": 4_000}),
    ("never shorter than before", {"max_tokens": 6_000}, {"max_tokens": 6_000}),
    ("where none was sent", {}, {"max_tokens": 4_000}),
]


@pytest.mark.parametrize(("params", "longer"), [row[1:] for row in LONGER], ids=[row[0] for row in LONGER])
def test_a_larger_limit_for_an_answer_that_was_cut(params: dict[str, Any], longer: dict[str, Any]) -> None:
    assert CatalogueEntry.model_validate(entry(params=params)).longer().params == longer


def test_a_chain_names_models_of_the_catalogue_only() -> None:
    assert parse({"models": [entry()], "chain": ["openrouter/a/b"]}).chain == ("openrouter/a/b",)
    with pytest.raises(CatalogueError, match="chain: gpt-99 has no entry"):
        parse({"models": [entry()], "chain": ["openrouter/a/b", "gpt-99"]})


def test_labels_are_bounded_by_the_catalogue(shipped: Catalogue) -> None:
    assert shipped.label("openrouter/openai/gpt-5") == "openrouter/openai/gpt-5"
    assert shipped.label("openai-compatible/whatever") == "openai-compatible/*"
    assert shipped.label("made/up") == "unknown"
