"""Real NATS, MongoDB and Redis servers as child processes, for the demo and for tests."""

from cli.embedded.errors import ServerError
from cli.embedded.servers import ServerInfo, Servers

__all__ = ["ServerError", "ServerInfo", "Servers"]
