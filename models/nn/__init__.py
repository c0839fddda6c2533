"""Networks that families share: built from sizes, knowing nothing of losses or data."""
