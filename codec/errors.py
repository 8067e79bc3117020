"""The errors a user can cause; the command line prints them as one line."""


class MetamerError(Exception):
    """Base of every error that is the input's fault rather than the program's."""


class FileError(MetamerError):
    """A file that cannot be read or written."""


class ImageError(MetamerError):
    """A picture that cannot be read, or that this version does not code."""


class StreamError(MetamerError):
    """A file that is not a Metamer stream, is damaged, or needs a model or version that is not
    here.
    """


class ModelError(MetamerError):
    """A model file that cannot be loaded."""


class RecipeError(MetamerError):
    """A training recipe or its data that cannot be used."""
