"""The page of a plane and what is exported of it: tables for HEPData, efficiencies and cutflows of the points."""
