"""Handlers that a project declares instead of writing: ``ModelSink`` writes a topic into a table."""

from .model_sink import ModelSink

__all__ = ["ModelSink"]
