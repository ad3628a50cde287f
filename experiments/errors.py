"""The base class of the experiments' errors: what a user can correct, in one line."""


class UserError(Exception):
    """Bad input: a file, an option or a folder that cannot be used. Its text is one line that says why."""
