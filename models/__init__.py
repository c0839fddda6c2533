"""All that makes images: networks, losses, families and checkpoints. Knows no web and no queue library."""
