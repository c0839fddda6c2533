"""What can be asked of a model: the inputs of each task, and how a model answers them."""
