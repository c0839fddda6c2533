"""From a request to a prediction and its answer."""
