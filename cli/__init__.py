"""The `easel` command, divided by who uses it: operators, callers, those who make models."""
