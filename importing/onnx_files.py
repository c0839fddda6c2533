"""ONNX files, and the data that they keep in others beside them, as one graph that was held against the bounds."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from onnx import ModelProto, TensorProto
from onnx.external_data_helper import ExternalDataInfo

from importing.errors import NotImportable
from models import onnx_graphs
from models.onnx_graphs import MAX_BYTES, BadGraph


def read(path: Path) -> ModelProto:
    """The graph in a file, with all of its tensors.

    Raises:
        NotImportable: the file or one that it names is no regular file, lies elsewhere or is too large; or the graph is
            none, or not one that is served (`models.onnx_graphs`).
    """
    try:
        model = onnx_graphs.parse(_bytes(path))
        _take_in(model, path.parent)
        onnx_graphs.check(model)
    except BadGraph as error:
        raise NotImportable(str(error)) from None
    return model


def _take_in(model: ModelProto, folder: Path) -> None:
    """Puts tensors into a graph that lie in other files of its folder."""
    left = MAX_BYTES
    contents: dict[Path, bytes] = {}
    for tensor in onnx_graphs.tensors(model):
        if tensor.data_location != TensorProto.EXTERNAL:
            continue
        try:
            told = ExternalDataInfo(tensor)
        except ValueError:
            raise NotImportable(f"it says of its tensor {tensor.name} no place in a file") from None
        place = (folder / told.location).resolve()
        if not told.location or not place.is_relative_to(folder.resolve()):
            raise NotImportable(f"its tensor {tensor.name} lies in {told.location}, outside of the file's folder")
        if place not in contents:
            contents[place] = _bytes(place, left)
            left -= len(contents[place])
        whole, start = contents[place], told.offset or 0
        length = len(whole) - start if told.length is None else told.length
        if start < 0 or length < 0 or start + length > len(whole):
            raise NotImportable(f"{place.name} ends before its tensor {tensor.name} does")
        tensor.raw_data = whole[start : start + length]
        tensor.data_location = TensorProto.DEFAULT
        del tensor.external_data[:]
        left -= length
        if left < 0:
            raise NotImportable(f"it has more than {MAX_BYTES:,} bytes with its other files")


def _bytes(path: Path, most: int = MAX_BYTES) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe is not waited for
        with os.fdopen(descriptor, "rb") as file:
            told = os.fstat(descriptor)
            if not stat.S_ISREG(told.st_mode):
                raise NotImportable(f"{path.name} is no regular file")
            if told.st_size > most:
                raise NotImportable(
                    f"{path.name} has {told.st_size:,} bytes, and {MAX_BYTES:,} are the most of a graph with its data"
                )
            return file.read()
    except OSError as error:
        raise NotImportable(f"{path.name} cannot be read: {error.strerror or error}") from None
