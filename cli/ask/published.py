"""What a publisher may send. Apart, so that the command knows its options without the wire's models."""

from enum import StrEnum


class PublishedKind(StrEnum):
    """What bodies are that stand in a file without a subject."""

    TICK = "tick"
    FUNDING = "funding"
    NOTE = "note"
