"""LLVM IR text to callable machine code, for the processor at hand, with the object code kept on disk.

``compile_ir`` has LLVM simplify the text at -O1, without its vectorisers and its unroller, and generate code
at -O3: the kernels are written in vectors already, their inner loops come out the same as from -O3
throughout, and it takes half the time. A text compiled before, on the same kind of
processor and with the same llvmlite, is loaded from ``object_cache`` without being parsed.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import importlib.util
import threading
from typing import Any, Callable, Optional

from minigraph.compiler.native.llvm import object_cache
from minigraph.compiler.native.llvm.vectors import host_features

# LLVM's text parser and its target registry are shared by all threads.
_lock = threading.Lock()


@functools.cache
def available() -> bool:
    """Whether native kernels can be compiled: llvmlite (the extra ``fast``) is installed."""
    return importlib.util.find_spec("llvmlite") is not None


class Library:
    """Compiled functions; they stay callable for as long as this object lives."""

    def __init__(self, engine: Any, name: str, from_cache: bool) -> None:
        self._engine = engine
        self.name = name
        self.from_cache = from_cache

    def address(self, function: str) -> int:
        """The address of a function; KeyError where the module defines none of this name."""
        address = self._engine.get_function_address(function)
        if not address:
            raise KeyError(f"the native module {self.name} defines no function {function}")
        return address

    def function(self, name: str, *argument_types: Any) -> Callable[..., None]:
        """The function as a ctypes callable that returns nothing and holds no lock while it runs."""
        return ctypes.CFUNCTYPE(None, *argument_types)(self.address(name))


def compile_ir(text: str, name: str, cpu: Optional[str] = None, features: Optional[str] = None) -> Library:
    """Compile a module of LLVM IR text (or load its object code from the cache).

    ``name`` is for messages. ``cpu`` and ``features`` are LLVM's strings, by default the host's; with
    ``cpu`` alone the features are those that LLVM knows for it. Declarations and
    internal functions may occur more than once.
    Raises RuntimeError with LLVM's message for a text that it refuses.
    """
    llvm = _llvm()
    if cpu is None:
        cpu = llvm.get_host_cpu_name()
        features = features or _host_feature_string()
    features = features or ""
    text = _each_once(text)
    key = _key(text, cpu, features)
    code = object_cache.load(key)
    with _lock:
        machine = _machine(cpu, features)
        from_cache = code is not None
        if code is None:
            code = _object_code(text, name, machine)
        # An engine needs a module to start from; the code itself comes as an object file.
        engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
        engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        engine.finalize_object()
    if not from_cache:
        object_cache.save(key, code)
    return Library(engine, name, from_cache)


def assembly(text: str, cpu: Optional[str] = None, features: str = "") -> str:
    """The optimised machine code of a module as assembly text, to see what became of a kernel."""
    llvm = _llvm()
    if cpu is None:
        cpu, features = llvm.get_host_cpu_name(), _host_feature_string()
    with _lock:
        machine = _machine(cpu, features)
        return machine.emit_assembly(_optimised(_each_once(text), "assembly", machine))


@functools.cache
def _llvm() -> Any:
    """llvmlite's binding, with the host's target ready."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm


def _host_feature_string() -> str:
    return ",".join(f"{'+' if on else '-'}{feature}" for feature, on in sorted(host_features().items()))


def _machine(cpu: str, features: str) -> Any:
    triple = _llvm().Target.from_default_triple()
    return triple.create_target_machine(cpu=cpu, features=features, opt=3, jit=True)


def _key(text: str, cpu: str, features: str) -> str:
    import llvmlite

    facts = "\0".join([text, cpu, features, _llvm().get_default_triple(), llvmlite.__version__])
    return hashlib.sha256(facts.encode()).hexdigest()


def _each_once(text: str) -> str:
    """The module with one of each declaration and of each internal function.

    Functions written apart may declare the same intrinsic or bring the same internal function along, whose
    name then says all that its text depends on; LLVM wants each once.
    """
    declarations: dict[str, None] = {}
    lines: list[str] = []
    known: set[str] = set()
    skipping = False
    for line in text.splitlines():
        if line.startswith("declare "):
            declarations[line] = None
            continue
        if line.startswith("define internal "):
            name = line[: line.index("(")]
            skipping = name in known
            known.add(name)
        elif line.startswith("define "):
            skipping = False
        if not skipping:
            lines.append(line)
    return "\n".join([*declarations, *lines])


def _optimised(text: str, name: str, machine: Any) -> Any:
    llvm = _llvm()
    try:
        module = llvm.parse_assembly(text)
        module.triple = machine.triple
        module.data_layout = str(machine.target_data)
        module.verify()
    except RuntimeError as error:
        raise RuntimeError(f"LLVM refuses the native module {name}: {error}") from error
    options = llvm.create_pipeline_tuning_options(speed_level=1)
    options.loop_vectorization = False
    options.slp_vectorization = False
    options.loop_unrolling = False
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    return module


def _object_code(text: str, name: str, machine: Any) -> bytes:
    return machine.emit_object(_optimised(text, name, machine))
