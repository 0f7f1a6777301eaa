"""massgap: columnar searches for new particles behind small mass gaps.

The rooms of the repository are imported as ``massgap.samples``, ``massgap.selections``,
``massgap.models``, ``massgap.processors``, ``massgap.fits``, ``massgap.condor`` and
``massgap.reports``; importing ``massgap`` itself loads none of them.
"""

from __future__ import annotations

__version__ = "0.1.0"
__all__ = ["__version__"]
