"""Networks and classical methods from a coarse LST and a fine reference to a fine LST."""
