"""What a run begins with, as package data: accounts, strategies, the venue, models, routes."""
