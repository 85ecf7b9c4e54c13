"""What the page is told of recorded passes: one trace, or two and where they part."""
