"""Errors about event content: which branch, object or option is at fault, and the remedy."""

from __future__ import annotations

from massgap.arrays.errors import SelectionError
from massgap.errors import MassgapError

__all__ = [
    "FileProblem",
    "ImpossibleValueError",
    "MissingBranchError",
    "NonFiniteError",
    "SelectionError",
    "UnknownFormatError",
]


class FileProblem(MassgapError):
    """A file that cannot be processed: missing, damaged, of an unknown format, or without a needed branch."""


class UnknownFormatError(SelectionError):
    """The tree is in no format that can be read."""


class MissingBranchError(SelectionError):
    """A branch that the analysis needs is not in the file.

    Parameters
    ----------
    branch
        Name of the branch.
    where
        The file (and entries).
    remedy
        What the user can do about it.
    """

    def __init__(self, branch: str, where: str = "", remedy: str = "") -> None:
        self.branch = branch
        self.where = where
        self.remedy = remedy
        place = f"{where}: " if where else ""
        text = f"{place}the file lacks the branch {branch}, which the analysis needs"
        super().__init__(f"{text}. {remedy}".strip() if remedy else f"{text}.")

    def __reduce__(self) -> tuple[type[MissingBranchError], tuple[str, str, str]]:
        return type(self), (self.branch, self.where, self.remedy)


class NonFiniteError(SelectionError):
    """A column holds NaN or infinite values.

    Parameters
    ----------
    branch
        Name of the branch.
    count
        How many values are not finite.
    where
        The file (and entries).
    """

    def __init__(self, branch: str, count: int, where: str = "") -> None:
        self.branch = branch
        self.count = count
        self.where = where
        place = f"{where}: " if where else ""
        super().__init__(
            f"{place}branch {branch} has {count} NaN or infinite value{'s' if count != 1 else ''}: it was "
            "written wrongly, or its bytes have changed since. Make or copy it again, or leave it out of the fileset."
        )

    def __reduce__(self) -> tuple[type[NonFiniteError], tuple[str, int, str]]:
        return type(self), (self.branch, self.count, self.where)


class ImpossibleValueError(SelectionError):
    """A column holds a value that no event can have, such as a negative pT.

    Parameters
    ----------
    branch
        Name of the branch.
    value
        The first such value.
    limits
        Smallest and largest possible value.
    where
        The file (and entries).
    """

    def __init__(self, branch: str, value: float, limits: tuple[float, float], where: str = "") -> None:
        self.branch = branch
        self.value = value
        self.limits = limits
        self.where = where
        place = f"{where}: " if where else ""
        super().__init__(
            f"{place}branch {branch} holds the value {value:g}, possible are {limits[0]:g} to {limits[1]:g}: it was "
            "written wrongly, or its bytes have changed since. Make or copy it again, or leave it out of the fileset."
        )

    def __reduce__(self) -> tuple[type[ImpossibleValueError], tuple[str, float, tuple[float, float], str]]:
        return type(self), (self.branch, self.value, self.limits, self.where)
