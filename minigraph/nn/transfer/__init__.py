"""Transfer functions, as in https://github.com/torch/nn/blob/master/doc/transfer.md."""
