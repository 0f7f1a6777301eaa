"""What a folder of the study says, number by number."""
