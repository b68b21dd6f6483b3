"""Experiments as the API takes and shows them."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator

from libs.schemas.experiment import Experiment
from services.gateway.domain.configuring import Body, Reason, as_it_is

ExperimentFields = Annotated[dict[str, Any], BeforeValidator(as_it_is, json_schema_input_type=Experiment)]


class NewExperimentBody(Body):
    """An experiment to begin; why. Its status and times are not given: they follow."""

    experiment: ExperimentFields
    reason: Reason


class ExperimentEnd(Body):
    """Why an experiment is stopped."""

    reason: Reason


class ExperimentList(BaseModel):
    items: list[Experiment]
