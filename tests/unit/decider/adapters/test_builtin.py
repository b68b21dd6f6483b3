"""The built-in model from prompt to JSON, and the file of the catalogue."""

from pathlib import Path

import pytest

from libs.schemas.decision import TradingDecision
from services.decider.adapters.builtin import answer
from services.decider.application import models_file
from services.decider.domain.catalogue import CatalogueError
from services.decider.domain.prompt import of_rule
from tests.fakes.decider_contexts import context


def test_the_prompt_is_all_that_it_gets() -> None:
    prompt = of_rule(context())
    made = TradingDecision.model_validate_json(answer("trend", [dict(m) for m in prompt.messages]))
    assert {row.action for row in made.decisions} == {"buy", "hold"}


@pytest.mark.parametrize(("model", "text"), [("gpt", "<data>{}</data>"), ("trend", "buy what?")])
def test_another_name_or_prompt_is_an_error(model: str, text: str) -> None:
    with pytest.raises(ValueError, match=r"built-in model|block"):
        answer(model, [{"role": "user", "content": text}])


@pytest.mark.parametrize(
    ("text", "message"),
    [(None, "set PERPETUA_CONFIG_DIR"), ("models: [", "is no YAML"), ("models: []", "at least 1 item")],
)
def test_a_catalogue_that_cannot_be_read_says_what_to_do(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "models.yaml").write_text(text)
    with pytest.raises(CatalogueError) as raised:
        models_file.load(tmp_path)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
