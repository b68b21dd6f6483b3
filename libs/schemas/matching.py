"""Which subjects a pattern takes, and which stream a subject."""

from functools import lru_cache

from libs.schemas.subjects import STREAMS


def matches(pattern: str, subject: str) -> bool:
    """Whether a NATS subject matches a pattern with `*` and a final `>`."""
    wanted, given = pattern.split("."), subject.split(".")
    for i, part in enumerate(wanted):
        if part == ">":
            return len(given) > i
        if i >= len(given) or part not in ("*", given[i]):
            return False
    return len(wanted) == len(given)


@lru_cache(maxsize=4096)  # subjects recur: there are a few for each account
def stream_of(subject: str) -> str:
    """Name of the stream that stores a subject. Raises KeyError for one that no stream takes."""
    for stream in STREAMS:
        if any(matches(pattern, subject) for pattern in stream.subjects):
            return stream.name
    raise KeyError(f"no stream takes the subject {subject!r}")
