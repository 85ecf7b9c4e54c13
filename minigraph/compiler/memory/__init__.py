"""Where the values of a program live, and which of them can share memory."""
