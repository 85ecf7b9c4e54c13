"""Native kernels: functions that return the LLVM IR of an innermost loop, to be joined into one module.

``elementwise`` is a fused region (with ``transcendental`` for its functions), ``gemm`` with ``gemm_tile``
and ``pack`` a matrix product, ``rows`` softmax, sums and copies, row by row.
"""
