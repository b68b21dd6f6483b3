"""Keys of the buckets in which processes keep what is theirs. Those of configuration are in subjects.py."""

from libs.schemas.names import Key, key_of

CLOCK_KEY = "market"  # in KV `clock`
LOOKED_KEY = "context.looked"  # in KV `lease`: how far context workers are, in lockstep
EXECUTED_KEY = "executor.looked"  # the same of the executor


def api_key_key(key_id: str) -> str:
    """Key of an API key in KV `keys`."""
    return f"key.{key_of(key_id)}"


def api_key_used(key_id: str) -> str:
    """Key of the last use of an API key in KV `keys`: written apart, so that it never meets a revocation."""
    return f"used.{key_of(key_id)}"


def claim_key(key_id: str, digest: str) -> str:
    """Key of the first use of an Idempotency-Key in KV `claims`; `digest` is a hash of it."""
    return f"{key_of(key_id)}.{key_of(digest)}"


def worker_key(service: Key, digest: str) -> str:
    """Key of what a worker says of itself in KV `workers`; `digest` is a hash of the name of its instance."""
    return f"{service}.{key_of(digest)}"


def inflight_key(account: Key, *, dry_run: bool = False) -> str:
    """Key in KV `inflight`. Dry runs have a place of their own: they neither wait for trading nor hold it up."""
    return f"{account}.dry" if dry_run else account


def feed_lease_key(venue: str, symbol: str) -> str:
    return f"feed.{venue}.{symbol}"
