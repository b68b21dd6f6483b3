"""Strategies' templates: the engine that the gateway's preview uses too."""

from libs.runtime.templates import MAX_CHARS, JinjaTemplates

__all__ = ["MAX_CHARS", "JinjaTemplates"]
