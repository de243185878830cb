"""Acquire: the files of each scene, brought under the run's roof and described."""
