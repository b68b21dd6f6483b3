"""Live venues through ccxt. Importing this package does not import ccxt: that costs 118 MiB and seconds."""
