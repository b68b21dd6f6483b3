"""What is asked of NATS while its connection stands."""

from libs.runtime.bus import Bus
from services.gateway.domain.problems import Away


def require_connection(bus: Bus) -> None:
    """Raises Away. While the client connects again it would only wait for a time-out."""
    if not bus.nc.is_connected:
        raise Away("NATS")
