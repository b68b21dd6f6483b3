"""What a decider tells of itself on its operations port: who decides by default, and why."""

from typing import Any

import pytest

from services.decider.app import create_app
from services.decider.domain import told
from services.decider.settings import Settings

GPT, GROK, TREND = "openrouter/openai/gpt-5", "openrouter/x-ai/grok-4", "builtin/trend"


@pytest.mark.parametrize(
    ("named", "chain", "by"),
    [
        (None, (TREND,), "chain of models.yaml"),
        ("", (TREND,), "chain of models.yaml"),
        (GPT, (GPT,), "LLM_MODEL"),
        (f"{GPT}, {GROK},{TREND}", (GPT, GROK, TREND), "LLM_MODEL"),
        ("gpt-99", ("gpt-99",), "LLM_MODEL"),  # every decision abstains, and this says why
    ],
)
def test_the_default_chain_is_told_with_its_cause(named: str | None, chain: tuple[str, ...], by: str) -> None:
    worker = create_app(Settings(llm_model=named))
    section: Any = worker.details()[told.SECTION]
    assert section["by"] == by
    found = told.read(section)
    assert found.chain == chain
    assert {GPT, GROK, TREND} <= set(found.entries)
