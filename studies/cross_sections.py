"""Sets of cross sections that studies bring as data files: ``xsec_NAME.json`` in the folder of the study of an analysis.

The format is that of :mod:`massgap.fits.planes.cross_sections`; each file names its source.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["cross_section_sets"]


def cross_section_sets(analysis: str) -> dict[str, Path]:
    """Name -> file of the sets that there are for an analysis; empty for one of one's own.

    Examples
    --------
    >>> sorted(cross_section_sets("slepton"))
    ['nlo']
    """
    if not analysis.isidentifier():
        return {}
    folder = Path(__file__).parent / analysis
    return {path.stem.removeprefix("xsec_"): path for path in sorted(folder.glob("xsec_*.json"))}
