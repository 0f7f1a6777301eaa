"""Errors about event samples: which file, dataset, process or setting is at fault, and the remedy."""

from __future__ import annotations

from massgap.errors import MassgapError
from massgap.extras import MissingExtraError


class SampleError(MassgapError):
    """Base of all errors that the samples room raises."""


class UnknownProcessError(SampleError):
    """A process or analysis that the catalogue does not know."""


class CardError(SampleError):
    """A detector card with a missing, unknown or impossible entry."""


class GeneratorMissingError(SampleError, MissingExtraError):
    """The generator extra is not installed, or cannot be imported."""


class GenerationError(SampleError):
    """Event generation that failed or could not be written."""


class LheError(SampleError):
    """A Les Houches event file that cannot be used as it is."""
