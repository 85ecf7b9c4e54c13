"""Convolution, pooling, padding and up-sampling over one, two or three dimensions."""
