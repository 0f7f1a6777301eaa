"""Sets of variables that networks of the study take, by name."""

from __future__ import annotations

from massgap.selections.cascade.features import CASCADE_FEATURE_NAMES
from massgap.selections.cascade.momenta import ORIENTED
from massgap.studies.errors import StudyError

__all__ = ["HIGH_LEVEL", "TRIPLETS", "columns_of", "variable_sets"]

HIGH_LEVEL: tuple[str, ...] = (
    "met",
    "delta4",
    *(name for name in CASCADE_FEATURE_NAMES if name != "met" and not name.startswith("delta4")),
)
"""The observables whose ordering is compared with that of a network of the momenta (section V)."""
TRIPLETS: dict[str, tuple[tuple[str, ...], ...]] = {
    "fDM": (
        ("met", "delta4", "pt_gamma"),
        ("met", "delta4", "m_mumugamma"),
        ("met", "delta4", "m_mumu"),
        ("met", "m_plus_gamma", "m_minus_gamma"),
        ("met", "m_mumu", "m_mumugamma"),
        ("met", "m_plus_gamma", "m_mumugamma"),
    ),
    "sDM": (
        ("met", "delta4", "m_mumugamma"),
        ("met", "delta4", "m_mumu"),
        ("met", "delta4", "m_plus_gamma"),
        ("met", "m_mumu", "m_mumugamma"),
        ("met", "m_plus_gamma", "m_minus_gamma"),
        ("met", "m_mumugamma", "m_plus_gamma"),
    ),
}
"""Table III, three with Delta_4 and three without; the superscript of pT in its first row is lost in print and read as the photon."""


def variable_sets(text: str) -> dict[str, tuple[str, ...]]:
    """Sets of variables from text: sets are separated by ``|``, variables by ``,``.

    Raises
    ------
    StudyError
        If a variable is unknown, twice in a set, or a set is empty.

    Examples
    --------
    >>> list(variable_sets("momenta|met,delta4"))
    ['momenta', 'met,delta4']
    """
    found: dict[str, tuple[str, ...]] = {}
    known = ("momenta", *HIGH_LEVEL)
    for part in text.split("|"):
        names = tuple(name.strip() for name in part.split(",") if name.strip())
        unknown = [name for name in names if name not in known]
        if not names or unknown or len(set(names)) < len(names):
            what = (
                f"{unknown[0]!r} is no variable" if unknown else f"{part!r} is no set of different variables"
            )
            msg = f"{what}: write sets as --variables 'momenta|met,delta4,m_mumugamma', with any of {', '.join(known)}"
            raise StudyError(msg)
        found[",".join(names)] = names
    return found


def columns_of(names: tuple[str, ...]) -> tuple[str, ...]:
    """The columns that a network of these variables takes: the oriented momenta, both orders of the muons for Delta_4.

    Examples
    --------
    >>> columns_of(("met", "delta4"))
    ('met', 'delta4_root', 'delta4_low_root')
    """
    columns: list[str] = []
    for name in names:
        columns += (
            ORIENTED
            if name == "momenta"
            else ("delta4_root", "delta4_low_root")
            if name == "delta4"
            else (name,)
        )
    return tuple(dict.fromkeys(columns))
