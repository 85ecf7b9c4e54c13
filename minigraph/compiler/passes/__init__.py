"""Passes: small pure functions from program to program, one to a file.

They run in this order: ``dead``, ``sums``, ``fission`` (which makes a schedule of segments) and, on
each segment, ``fuse``. Where every operation is a call, for the NumPy executor, there come after ``sums``:
``factors``, ``join_slices``, ``sums`` again (of what was joined) and ``biases``; and ``join_products``,
where it is asked for, before the program is differentiated.
"""
