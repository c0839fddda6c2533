"""What goes wrong when a checkpoint is imported."""


class NotImportable(ValueError):
    """A file, or a combination of files and options, that makes no model; the message says why."""
