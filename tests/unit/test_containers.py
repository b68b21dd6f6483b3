"""Where the servers of the tests come from."""

from collections.abc import Mapping

import pytest

from tests.containers import CONTAINERS, VARIABLES, NoEngineError, Origin, held_images, origins
from tools.deploy.facts import SERVERS

NAMES = tuple(VARIABLES)
ALL = frozenset(SERVERS[name] for name in NAMES)
GIVEN = {VARIABLES["nats"]: "nats://127.0.0.1:4222"}

# Environment, images of the engine, and where NATS, MongoDB and Redis come from.
CASES: dict[str, tuple[Mapping[str, str], frozenset[str] | None, str]] = {
    "nothing said, no engine": ({}, None, "child child child"),
    "nothing said, an engine without our images": ({}, frozenset({"redis:latest"}), "child child child"),
    "nothing said, an engine with one of our images": ({}, frozenset({SERVERS["redis"]}), "child child container"),
    "nothing said, an engine with all": ({}, ALL, "container container container"),
    "an address comes first": (GIVEN, ALL, "given container container"),
    "asked for, images are pulled": ({CONTAINERS: "1"}, frozenset(), "container container container"),
    "asked for beside an address": ({CONTAINERS: "1", **GIVEN}, frozenset(), "given container container"),
    "forbidden": ({CONTAINERS: "0"}, ALL, "child child child"),
}


@pytest.mark.parametrize("case", CASES)
def test_where_servers_come_from(case: str) -> None:
    env, held, wanted = CASES[case]
    assert origins(env, held) == dict(zip(NAMES, map(Origin, wanted.split()), strict=True))


def test_containers_that_are_asked_for_and_cannot_be_had_are_told() -> None:
    with pytest.raises(NoEngineError, match="start one, or unset it"):
        origins({CONTAINERS: "1"}, None)
    assert set(origins({CONTAINERS: "1", **dict.fromkeys(VARIABLES.values(), "x://h")}, None).values()) == {
        Origin.GIVEN
    }


def test_an_engine_that_does_not_answer_is_none() -> None:
    assert held_images({"DOCKER_HOST": "unix:///nowhere/docker.sock"}) is None
