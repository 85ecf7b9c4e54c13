"""From a network to a ``torch.nn.Module``: a row for every class of layer."""
