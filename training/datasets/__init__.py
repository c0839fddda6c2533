"""Pictures to train on: how people lay them out, and one cache that they are decoded into once."""
