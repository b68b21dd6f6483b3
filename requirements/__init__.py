"""The pins of each extra with their hashes, as package data: extras of a wheel carry neither."""
