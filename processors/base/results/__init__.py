"""From sums over all chunks to what a run says: steps of cutflows, members of one uncertainty, copies of one event."""
