"""Table layers, as in https://github.com/torch/nn/blob/master/doc/table.md."""
