"""Errors of a run (nothing runs), of one scene (it is excluded) and of one transfer."""


class LstsrError(Exception):
    """An error that the user can correct: one line with the file or key, and what to do."""


class SceneError(LstsrError):
    """An error in the content of one scene. The scene is excluded and the run continues."""


class TransferError(LstsrError, OSError):
    """A failed download: one line with the address, but never a key or signature."""
