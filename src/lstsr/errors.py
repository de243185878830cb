"""The two kinds of fault: of a run (stop before anything runs) and of one scene (exclude it)."""


class LstsrError(Exception):
    """A fault that the user can mend: one line that names the file or key and the cure."""


class SceneError(LstsrError):
    """A fault in the content of one scene: the scene is excluded by name and the run goes on."""
