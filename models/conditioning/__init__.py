"""How a classifier goes with a column: balanced in it, told it, flat in it."""
