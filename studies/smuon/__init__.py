"""The smuon paper: two muons and missing momentum."""
