"""A stand-in for GitHub over one bare repository, and the workflows of that repository run by act."""

from __future__ import annotations

from .hub import StandIn
from .model import Environment, Protection, Refused
from .people import Person

__all__ = ["Environment", "Person", "Protection", "Refused", "StandIn"]
