"""From a ``torch.nn.Module`` to a network: it is traced, then every call is looked up."""
