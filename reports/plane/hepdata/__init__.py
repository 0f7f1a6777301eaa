"""A plane as a submission to HEPData: tables of limits, contours, efficiencies and cutflows, and the likelihood."""
