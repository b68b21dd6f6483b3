"""Real NATS, MongoDB and Redis servers as child processes, for the demo and for tests."""
