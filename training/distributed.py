"""Several processes, each with a device of its own, that train one model on one batch.

Each takes a share of the batch, and after a player's turn the gradients are averaged. Wrapping a model in torch's
`DistributedDataParallel` does not do: it counts on one backward pass through all parameters, where a game has a pass
for each player and some penalties a second one. What depends on the whole batch, random numbers and the statistics of
batch norms, is the same however many processes there are (`WholeBatch`), so that losses are, too. What compares the
images of a batch with one another (minibatch discrimination, pull-away) compares those of a share, and a history of
generated images is each process's own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode


@dataclass(frozen=True)
class Group:
    """The processes that train together, as one of them sees it; one alone has no need of a group of torch's."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether it is this process that writes."""
        return self.rank == 0

    def share(self, count: int) -> slice:
        """The rows of a batch that are this process's.

        Raises:
            ValueError: the batch does not divide evenly.
        """
        if count % self.size:
            raise ValueError(
                f"a batch of {count} does not divide among {self.size} processes; change `batch` in [budget]"
            )
        each = count // self.size
        return slice(self.rank * each, (self.rank + 1) * each)

    def average(self, tensors: Iterable[Tensor]) -> None:
        """Makes each tensor its mean over the processes, in place."""
        tensors = list(tensors)
        if self.size == 1 or not tensors:
            return
        flat = torch.cat([tensor.detach().float().flatten() for tensor in tensors])
        dist.all_reduce(flat)
        flat /= self.size
        for tensor, mean in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(mean.view_as(tensor))

    def wait(self) -> None:
        """Goes on when all processes are here."""
        if self.size > 1:
            dist.barrier()


def join(device: torch.device) -> tuple[Group, torch.device]:
    """The group that `torchrun` started this process in, and its device; one alone if it did not."""
    if "RANK" not in os.environ:
        return Group(), device
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    if not dist.is_initialized():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return Group(dist.get_rank(), dist.get_world_size()), device


def leave() -> None:
    """Ends what `join` began."""
    if dist.is_initialized():
        dist.destroy_process_group()


_DRAWN_LIKE: dict[Callable[..., Any], Callable[..., Tensor]] = {
    torch.randn_like: torch.randn,
    torch.rand_like: torch.rand,
}


class _Total(torch.autograd.Function):
    """The sum of all processes' tensors; its gradient is the sum of theirs, and has a gradient in turn."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        total = tensor.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Tensor:
        return _total(grad_outputs[0])


def _total(tensor: Tensor) -> Tensor:
    return cast(Tensor, _Total.apply(tensor))


class WholeBatch(TorchFunctionMode):
    """Within it, one process's share of a batch is treated as the rows of the whole batch that it is.

    Random numbers with a row for each of its images are those rows of what is drawn for all, and a batch norm in
    training takes the statistics of all.

    Args:
        count: images in the share.
    """

    def __init__(self, group: Group, count: int):
        super().__init__()
        self.group, self.count = group, count

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        named = dict(kwargs or {})
        if func in _DRAWN_LIKE:
            like = args[0]
            options = {"dtype": like.dtype, "device": like.device, **named}
            return self._rows(_DRAWN_LIKE[func], tuple(like.shape), options)
        if func is torch.randn or func is torch.rand:
            shape = tuple(args[0]) if args and not isinstance(args[0], int) else args
            return self._rows(func, shape or tuple(named.pop("size")), named)
        if func is torch.randint:
            return self._integers(args, named)
        if func is F.batch_norm and named.get("training"):
            return self._normed(*args, **named)
        return func(*args, **named)

    def _rows(self, draw: Callable[..., Tensor], shape: tuple[int, ...], options: dict[str, Any]) -> Tensor:
        """This share of what is drawn for all, where the first axis is that of images, or the second of two draws."""
        for axis in (0, 1):
            if len(shape) > axis and shape[axis] == self.count:
                whole = list(shape)
                whole[axis] *= self.group.size
                return draw(whole, **options).narrow(axis, self.group.rank * self.count, self.count)
        return draw(shape, **options)

    def _integers(self, args: tuple[Any, ...], named: dict[str, Any]) -> Tensor:
        size = named.pop("size", None)
        bounds = args if size is not None else args[:-1]
        shape = tuple(size if size is not None else args[-1])
        low, high = bounds if len(bounds) == 2 else (0, *bounds)
        return self._rows(lambda whole, **options: torch.randint(low, high, whole, **options), shape, named)

    def _normed(
        self,
        x: Tensor,
        running_mean: Tensor | None,
        running_variance: Tensor | None,
        weight: Tensor | None,
        bias: Tensor | None,
        training: bool,
        momentum: float,
        eps: float,
    ) -> Tensor:
        """`F.batch_norm` with the means and variances of all shares (Ioffe & Szegedy 2015, arXiv 1502.03167)."""
        axes = [0, *range(2, x.ndim)]
        shape = [1, -1, *[1] * (x.ndim - 2)]
        whole = x.float()
        count = whole.numel() // whole.shape[1] * self.group.size
        mean = _total(whole.sum(axes)) / count
        apart = whole - mean.view(shape)
        variance = _total(apart.square().sum(axes)) / count
        if running_mean is not None and running_variance is not None:
            with torch.no_grad():
                running_mean.lerp_(mean.detach(), momentum)
                running_variance.lerp_(variance.detach() * count / max(count - 1, 1), momentum)
        normed = apart * torch.rsqrt(variance + eps).view(shape)
        if weight is not None and bias is not None:
            normed = normed * weight.view(shape) + bias.view(shape)
        return normed.to(x.dtype)
