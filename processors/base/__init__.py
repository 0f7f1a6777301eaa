"""What an analysis is built on: flow of events, histograms, sums."""
