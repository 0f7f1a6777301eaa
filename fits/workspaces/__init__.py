"""From histograms to HistFactory workspaces."""
