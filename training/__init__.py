"""Training: data, recipes and one trainer for every family. Needs no web or queue library, and runs on CPU or GPU."""
