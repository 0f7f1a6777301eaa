"""Figures of a plane of signals: contours, limits, maps, and how well one interpolates between its points.

Each takes the content of ``plane.json`` and returns a figure.
"""

from __future__ import annotations

from massgap.reports.figures.planes.contours import Overlay, exclusion
from massgap.reports.figures.planes.interpolation import interpolation_check
from massgap.reports.figures.planes.limits import limit_against_mass
from massgap.reports.figures.planes.maps import point_map
from massgap.reports.figures.planes.view import dimension

__all__ = ["Overlay", "dimension", "exclusion", "interpolation_check", "limit_against_mass", "point_map"]
