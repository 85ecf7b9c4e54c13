"""The compiler: a network as a straight-line program with the time loop taken apart."""
