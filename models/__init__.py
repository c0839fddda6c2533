"""All that makes images: networks, losses, families, training and checkpoints. Knows no web and no queue library."""
