"""Matrix elements that the generator of showers does not have, computed here."""
