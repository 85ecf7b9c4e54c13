"""Native kernels: LLVM IR as text, compiled by llvmlite (the optional extra ``fast``).

``builder`` writes functions, ``jit`` compiles them and ``object_cache`` keeps the result, ``vectors`` knows
the registers of the host. The kernels are functions that return text: ``elementwise`` (a fused region,
with ``transcendental`` for its functions), ``gemm`` with ``gemm_tile`` and ``pack`` (products), ``rows``
(softmax, sums and copies, row by row). Texts may be joined into one module.
"""
