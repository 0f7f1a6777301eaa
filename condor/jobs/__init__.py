"""A run as HTCondor jobs: their set, record, log and output."""
