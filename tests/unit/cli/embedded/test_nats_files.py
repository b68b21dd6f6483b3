"""What the server may hold does not depend on how much of its disk is free when it starts."""

import re

from cli.embedded.nats import MAX_FILE_STORE
from cli.embedded.nats_file import nats_file
from libs.schemas.subjects import STREAMS
from tools.deploy.stores import DISK

UNITS = {"GB": 2**30, "Gi": 2**30}  # nats-server reads GB as 1024³ bytes


def size(text: str) -> int:
    """Bytes of `64GB`, or of Kubernetes' `80Gi`."""
    found = re.fullmatch(r"(\d+)(GB|Gi)", text)
    assert found is not None
    return int(found[1]) * UNITS[found[2]]


def test_the_streams_may_be_as_large_as_they_are_told_to_be() -> None:
    assert sum(stream.max_bytes for stream in STREAMS) < size(MAX_FILE_STORE)


def test_a_volume_holds_what_the_server_may_write() -> None:
    assert size(MAX_FILE_STORE) < size(DISK)


def test_the_file_for_containers_says_how_much_that_is() -> None:
    assert f"max_file_store: {MAX_FILE_STORE}\n" in nats_file().partition("jetstream {")[2].partition("}")[0]
