"""The kinds of fault: of a run (stop before anything runs), of one scene, of one transfer."""


class LstsrError(Exception):
    """A fault that the user can mend: one line that names the file or key and the cure."""


class SceneError(LstsrError):
    """A fault in the content of one scene: the scene is excluded by name and the run goes on."""


class TransferError(LstsrError, OSError):
    """A file that could not be had: one line that names its address, never a key or signature."""
