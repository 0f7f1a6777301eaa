"""``python -m massgap`` is the command ``massgap``."""

from __future__ import annotations

from massgap.cli import main

if __name__ == "__main__":
    main()
