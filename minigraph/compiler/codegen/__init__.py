"""From a schedule to native functions: the kernels of ``native`` strung together.

``operands`` sees arrays as matrices, ``support`` tells what can be native, ``stages`` groups
operations, ``writer`` writes each group as a function, ``pool`` shares them among threads.
"""
