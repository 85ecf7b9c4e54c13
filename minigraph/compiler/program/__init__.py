"""A program: values, operations on them, and the tables of what each computes and how it differentiates."""
