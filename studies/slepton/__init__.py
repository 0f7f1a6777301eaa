"""The slepton paper: two muons, one jet and missing momentum."""
