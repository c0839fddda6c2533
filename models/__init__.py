"""All that makes images: networks, losses, families, training and trained checkpoints. Knows no web and no queue library."""
