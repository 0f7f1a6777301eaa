"""Making samples: plan, blocks, normalisation."""
