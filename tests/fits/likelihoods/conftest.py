"""The study of minima is a command, too: its module is loaded only where tests of likelihoods run, as it needs pyhf."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
