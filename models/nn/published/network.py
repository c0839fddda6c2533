"""What all published networks have in common: settings that make one."""

from __future__ import annotations

from abc import abstractmethod

from torch import nn

from models import model


class NetworkConfig(model.Config):
    """Settings of one network."""

    @abstractmethod
    def build(self) -> nn.Module:
        """The network, with random weights."""
