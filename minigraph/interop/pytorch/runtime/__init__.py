"""What exported models carry with them: the modules and functions that PyTorch itself does not have."""
