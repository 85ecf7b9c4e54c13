"""Calling what was compiled: input in, output out, gradients back, and whether it still fits the network."""
