"""The authoring side: schemas, references, pins, checks, write-back."""
