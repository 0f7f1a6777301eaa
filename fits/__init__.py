"""From histograms to results: workspaces, significances, limits and threshold scans.

The room reads run folders and plain ``hist.Hist`` objects; it imports no other room. Importing
``massgap.fits`` loads neither pyhf nor hist: the modules do so where they use them.
"""

from __future__ import annotations
