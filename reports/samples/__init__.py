"""The page of closure plots of generated samples."""
