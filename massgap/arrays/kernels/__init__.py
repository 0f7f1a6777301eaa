"""The compiled passes behind collections, and the formulas of momenta."""
