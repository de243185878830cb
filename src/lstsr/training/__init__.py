"""Training of one row: a network, its checkpoint and its curve."""
