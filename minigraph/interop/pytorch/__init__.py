"""PyTorch: networks exported to it, modules imported from it, and the files of both."""
