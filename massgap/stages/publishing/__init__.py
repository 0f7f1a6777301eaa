"""Results that others can run: a bundle of all that a new signal needs, and new signals tested with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from massgap.lazy import face

if TYPE_CHECKING:
    from massgap.stages.publishing.bundle import Bundle, open_bundle
    from massgap.stages.publishing.cards import compare_cards
    from massgap.stages.publishing.check import BundleCheck, check_bundle
    from massgap.stages.publishing.publication import publish
    from massgap.stages.publishing.recasting import Recast, recast

__all__ = [
    "Bundle",
    "BundleCheck",
    "Recast",
    "check_bundle",
    "compare_cards",
    "open_bundle",
    "publish",
    "recast",
]

__getattr__, __dir__ = face(
    __name__,
    {
        "Bundle": "bundle",
        "BundleCheck": "check",
        "Recast": "recasting",
        "check_bundle": "check",
        "compare_cards": "cards",
        "open_bundle": "bundle",
        "publish": "publication",
        "recast": "recasting",
    },
)
