"""A run as batch jobs: submitted, looked at, sent again and merged."""
