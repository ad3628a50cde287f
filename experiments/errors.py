"""The base of the experiments' own errors: what a user can put right, told in one line."""


class UserError(Exception):
    """Bad input: a file, an option or a folder that cannot be used. Its text is one line that says why."""
