"""Who vouches for a server that speaks TLS. MongoDB and Redis say so in their URLs, NATS has a setting."""

import ssl


def authorities(file: str) -> ssl.SSLContext | None:
    """Those of the file alone; None where there is none, which is the system's. Raises OSError for a useless file."""
    return ssl.create_default_context(cafile=file) if file else None
