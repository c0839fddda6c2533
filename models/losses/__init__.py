"""Losses that families share: plain functions of tensors, each headed by the equation that it is."""
