"""What a compiled dataset is: the names and contents of its files, writing and reading them."""
