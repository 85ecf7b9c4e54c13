"""Passes: small pure functions from program to program, one to a file.

They run in this order: ``dead``, ``sums``, ``fission`` (which makes a schedule of segments) and, on
each segment, ``fuse``.
"""
