"""Criterions, as in https://github.com/torch/nn/blob/master/doc/criterion.md."""
