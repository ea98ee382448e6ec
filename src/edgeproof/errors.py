"""The one base class that a command line needs to catch."""


class EdgeproofError(Exception):
    """A failure we expect and can explain.

    ``hint`` says what the person can do about it; the command line prints it on a
    second line and exits 1.  Bugs are not ``EdgeproofError``: they keep their
    traceback.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint
