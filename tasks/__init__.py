"""One module per stage: a frozen dataclass with one verb over a batch of arrays."""
