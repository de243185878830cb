"""Evaluation: predictions are scored, tabulated and drawn."""
