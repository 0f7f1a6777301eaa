"""Errors about what one stage leaves for the next: which folder, file or entry is at fault, and the remedy."""

from __future__ import annotations

from massgap.errors import MassgapError

__all__ = [
    "BundleError",
    "ContractError",
    "FilesetError",
    "FitFolderError",
    "FolderBusyError",
    "FolderError",
    "HistogramError",
    "IncompleteRunError",
    "ModelFolderError",
    "PlaneFolderError",
    "RunFolderError",
    "TableError",
]


class ContractError(MassgapError):
    """Base of all errors about files that the stages hand on."""


class FolderError(ContractError):
    """A folder or file that cannot be made or written."""


class FolderBusyError(FolderError):
    """A folder that another process is writing."""


class FilesetError(ContractError):
    """A fileset that cannot be read, or that does not say how to weight its events."""


class RunFolderError(ContractError):
    """A run folder or one of its files is missing, damaged or of another format."""


class HistogramError(ContractError):
    """A histogram, or a category on one of its axes, is not there or has another shape."""


class TableError(ContractError):
    """A feature table that is missing, damaged or cannot be trained on."""


class ModelFolderError(ContractError):
    """A model folder that does not hold one model, or whose files do not belong together."""


class FitFolderError(ContractError):
    """A fit folder or one of its files is missing, damaged or of another format."""


class PlaneFolderError(ContractError):
    """A plane folder or its results are missing, damaged or of another format."""


class IncompleteRunError(ContractError):
    """Part of a run is lost, so its yields would be too small; what was done is kept."""


class BundleError(ContractError):
    """A published bundle whose files are not those that were published, or that cannot be made or used."""
