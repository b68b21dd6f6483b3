"""Exit codes of a process, so that a supervisor can say in words why it ended."""

TOPOLOGY_MISMATCH = 3
DURABLE_GONE = 4
BACKGROUND_FAILED = 5
BAD_SETTINGS = 6
NATS_CLOSED = 7
LOOP_FROZEN = 8

WORDS = {
    0: "stopped",
    TOPOLOGY_MISMATCH: "streams or consumers on the server differ from the code",
    DURABLE_GONE: "a durable consumer was deleted",
    BACKGROUND_FAILED: "a background task failed",
    BAD_SETTINGS: "a setting is not valid",
    NATS_CLOSED: "the connection to NATS was closed for good",
    LOOP_FROZEN: "the event loop was frozen",
}


def in_words(code: int) -> str:
    """What an exit code means; negative codes are signals."""
    return f"killed by signal {-code}" if code < 0 else WORDS.get(code, f"ended with code {code}")
