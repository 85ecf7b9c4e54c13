"""Simple layers, as in https://github.com/torch/nn/blob/master/doc/simple.md."""
