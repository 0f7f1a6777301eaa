"""What the folders of the slepton study say for each number of the paper."""
