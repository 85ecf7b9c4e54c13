"""Normalising layers, of the simple and convolutional chapters of Torch's manual."""
