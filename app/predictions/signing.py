"""Content Credentials at delivery: what leaves with a picture's mark is signed, if the operator set a certificate."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from app.http.errors import Unavailable
from app.predictions.result_files import ResultFiles
from core import logs
from core.settings import Settings
from jobs.prediction import Snapshot
from pictures.content_credentials import Signer, Unsigned

log = logs.get(__name__)


def signer_of(settings: Settings) -> Signer | None:
    """With the certificate that the settings name, if they do.

    Raises:
        Unsigned: it cannot sign.
    """
    if settings.c2pa_cert is None and settings.c2pa_key is None:
        return None
    if settings.c2pa_cert is None or settings.c2pa_key is None:
        raise Unsigned("EASEL_C2PA_CERT and EASEL_C2PA_KEY are set together or not at all")
    try:
        chain, key = settings.c2pa_cert.read_bytes(), settings.c2pa_key.read_bytes()
    except OSError as error:
        raise Unsigned(f"EASEL_C2PA_CERT or EASEL_C2PA_KEY cannot be read: {error}") from None
    try:
        return Signer(chain, key)
    except Unsigned as error:
        raise Unsigned(f"EASEL_C2PA_CERT is set, and {error}") from None


class Signing:
    """Signs files, or without a signer returns them as they are.

    No two signatures are alike. So that an address gives the same bytes each time, from whichever process, the first
    signed file of each name is kept beside the prediction.
    """

    def __init__(self, files: ResultFiles, signer: Signer | None):
        self._files = files
        self._signer = signer

    @property
    def signs(self) -> bool:
        """Whether files leave otherwise than they are kept."""
        return self._signer is not None

    def tag(self, tag: str) -> str:
        """An entity tag, other for signed files than for the same ones before they are."""
        return tag if self._signer is None else f"{tag}-signed"

    async def once(self, data: bytes) -> bytes:
        """A file that has no address, and is kept nowhere.

        Raises:
            Unavailable: it cannot be signed.
        """
        if self._signer is None:
            return data
        try:
            return await asyncio.to_thread(self._signer.sign, data)
        except Unsigned as error:
            log.error("unsigned", reason=str(error))
            raise Unavailable("pictures cannot be signed here at present", code="unsigned") from None

    async def kept(self, found: Snapshot, name: str, data: bytes) -> bytes:
        """A file that belongs to a prediction, under a name of its own there. Raises `Unavailable`."""
        if self._signer is None:
            return data
        earlier = await self._files.signed(found, name)
        return await self._files.keep_signed(found, name, await self.once(data)) if earlier is None else earlier

    async def image(self, found: Snapshot, index: int, blob: bytes) -> bytes:
        """An image of a prediction, in the format that it was made in. Raises `Unavailable`."""
        return await self.kept(found, f"{index}.{found.images[index].format}", blob)

    async def images(self, found: Snapshot, blobs: Sequence[bytes]) -> list[bytes]:
        """All images of a prediction. Raises `Unavailable`."""
        return [await self.image(found, index, blob) for index, blob in enumerate(blobs)]
