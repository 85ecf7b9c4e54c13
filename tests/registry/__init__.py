"""Cases for every module and criterion, one file a family; ``module_registry`` gathers them."""
