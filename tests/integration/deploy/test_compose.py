"""compose.yaml: what compose itself would refuse, and what it must hold besides."""

import copy
from collections.abc import Callable
from typing import Any

import compose_spec
import pytest

from libs.configuration.yaml_text import yaml_value
from tools.deploy.compose_judge import judge_compose, resolved
from tools.paths import ROOT

FILE = ROOT / "compose.yaml"
Content = dict[str, Any]


@pytest.fixture(scope="module")
def content() -> Content:
    read: Content = yaml_value(resolved(FILE.read_text()))
    return read


def test_compose_takes_the_file() -> None:
    compose_spec.PyCompose.from_yaml(resolved(FILE.read_text())).validate()


def test_a_key_that_compose_does_not_know_is_refused() -> None:
    with pytest.raises(ValueError, match="healthchek"):
        compose_spec.PyCompose.from_yaml(
            resolved(FILE.read_text()).replace("healthcheck:", "healthchek:", 1)
        ).validate()


def test_nothing_is_wrong_with_it(content: Content) -> None:
    assert judge_compose(content, ROOT) == []


BREAKS: dict[str, tuple[Callable[[Content], object], str]] = {
    "a worker as root": (lambda c: c["services"]["feed"].update(user="0:0"), "feed runs as root"),
    "a root that can be written": (
        lambda c: c["services"]["ledger"].update(read_only=False),
        "ledger can write to its root",
    ),
    "capabilities": (lambda c: c["services"]["nats"].pop("cap_drop"), "nats has capabilities"),
    "no limits": (lambda c: c["services"]["redis"].pop("deploy"), "redis has no limits"),
    "an image of today": (
        lambda c: c["services"]["mongodb"].update(image="mongo:latest"),
        "mongodb has an image without a version: mongo:latest",
    ),
    "a port for everybody": (
        lambda c: c["services"]["gateway"]["ports"][0].update(host_ip="0.0.0.0"),
        "gateway publishes a port",
    ),
    "a store with a port": (
        lambda c: c["services"]["redis"].update(ports=[{"target": 6379, "host_ip": "127.0.0.1"}]),
        "redis publishes a port",
    ),
    "a password in the environment": (
        lambda c: c["services"]["feed"]["environment"].update(ASSETS="nats://feed:pw@nats"),
        "feed has a secret in ASSETS",
    ),
    "a variable that nobody reads": (
        lambda c: c["services"]["validator"]["environment"].update(PERPETUA_SPEED="2"),
        "validator is given PERPETUA_SPEED, which it does not read",
    ),
    "the secret of another": (
        lambda c: c["services"]["decider"]["secrets"].append("nats_url_executor"),
        "decider is given the secret nats_url_executor, which is another's",
    ),
    "a way to a store that it has no use for": (
        lambda c: c["services"]["validator"]["networks"].append("mongodb"),
        "validator is in the network mongodb, which the table does not name",
    ),
    "a way out": (
        lambda c: c["services"]["ledger"]["networks"].append("outside"),
        "ledger is in the network outside, which the table does not name",
    ),
    "no way to the bus": (
        lambda c: c["services"]["feed"]["networks"].remove("nats"),
        "feed is not in the network nats",
    ),
    "a store's network with a way out": (
        lambda c: c["networks"].update(mongodb={}),
        "the network mongodb leads outside",
    ),
    "a file that is not there": (
        lambda c: c["services"]["tempo"]["volumes"].append("./deploy/none:/x:ro"),
        "tempo: ./deploy/none is not there",
    ),
    "a dollar that compose takes for a variable": (
        lambda c: c["services"]["volumes-exporter"]["command"].append("--exclude=^/(dev|sys)($|/)"),
        "volumes-exporter has a $ that is neither $$ nor ${",
    ),
    "no health check": (lambda c: c["services"]["context"].pop("healthcheck"), "context has no health check"),
    "a worker less": (lambda c: c["services"].pop("ledger"), "ledger has no service"),
}


@pytest.mark.parametrize("case", BREAKS)
def test_what_is_broken_by_hand_is_told(case: str, content: Content) -> None:
    change, said = BREAKS[case]
    broken = copy.deepcopy(content)
    change(broken)
    lines = judge_compose(broken, ROOT)
    assert [line for line in lines if line.startswith(said)], lines
