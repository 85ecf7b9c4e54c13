"""Programs as lists of NumPy calls: every primitive runs here, on any machine."""
