"""Programs as native code: kernels strung together into functions that threads can share.

``operands`` sees arrays as matrices, ``support`` tells what can be native, ``stages`` groups operations,
``writer`` writes each group as a function, ``pool`` shares them among threads. The innermost loops are in
``kernels``; ``llvm`` turns text into machine code.
"""
