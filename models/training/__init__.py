"""From feature tables to a trained model in a folder."""
