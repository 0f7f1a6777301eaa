"""How each format stores what an event holds; :mod:`massgap.events.formats.readers` has the table."""
