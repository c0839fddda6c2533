"""Figures that say how good a model is. Each says on how many images, against what, and who judged."""
