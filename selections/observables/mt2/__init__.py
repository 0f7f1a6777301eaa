"""The stransverse mass M_T2."""
