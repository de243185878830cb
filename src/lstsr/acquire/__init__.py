"""Bring the files of each scene into the folder of the run, and describe them."""
