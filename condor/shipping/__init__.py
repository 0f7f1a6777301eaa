"""What travels to workers: the code and, where needed, the Python environment."""
