"""The command ``massgap``."""

from __future__ import annotations

from massgap.cli.group import main

__all__ = ["main"]
