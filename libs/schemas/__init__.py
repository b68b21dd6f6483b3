"""The wire contract: pydantic models, closed enums, subjects and ids. Imports no client, clock or randomness."""
