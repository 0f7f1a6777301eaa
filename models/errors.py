"""Errors about classifiers: which table, file, feature or option is at fault, and the remedy."""

from __future__ import annotations

from massgap.errors import MassgapError
from massgap.extras import MissingExtraError


class ModelError(MassgapError):
    """Base of all errors that the models raise."""


class RecipeError(ModelError):
    """A recipe that cannot be found or read, or that has a value which cannot be."""


class TrainerMissingError(ModelError, MissingExtraError):
    """The library that trains is not installed, or cannot be imported."""


class FeatureError(ModelError):
    """Features of the model and features at hand differ; the message names both sides."""


class ModelFileError(ModelError):
    """A model file that is damaged, unsupported or lacks its metadata."""
