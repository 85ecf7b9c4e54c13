"""ONNX: a network captured as a program, and the program's operations written as ONNX operators."""
