"""Errors of studies: which study, folder, table or cell is at fault."""

from __future__ import annotations

from massgap.errors import MassgapError


class StudyError(MassgapError):
    """A study, or the folder of one, is not what it must be."""


class PaperError(StudyError):
    """The numbers of a paper are not there, or do not fit together."""
