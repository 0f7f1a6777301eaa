"""massgap: columnar searches for new particles behind small mass gaps.

The rooms of the repository are imported as ``massgap.samples``, ``massgap.selections``,
``massgap.models``, ``massgap.processors``, ``massgap.fits``, ``massgap.condor`` and
``massgap.reports``; importing ``massgap`` itself loads none of them.
"""

from __future__ import annotations

import sys

__version__ = "0.1.0"
__all__ = ["__version__"]

if sys.flags.optimize > 1:
    # python -OO (PYTHONOPTIMIZE=2) takes all docstrings away, and coffea appends to this one when it is imported.
    import rich.console

    rich.console.Console.__doc__ = rich.console.Console.__doc__ or ""
