"""LLVM: functions written as text, compiled to machine code by llvmlite (the optional extra ``fast``).

``function`` writes functions, ``vectors`` knows the registers of the host, ``jit`` compiles and
``object_cache`` keeps what was compiled.
"""
