"""What a folder of the study says, in numbers."""
