"""Content Credentials (C2PA 2.1): the mark of a picture, signed with an operator's certificate.

The signature covers the whole file: it shows that picture and mark are as they were when they left here, and whose
server that was. Needs the extra `c2pa`, which is imported where a certificate is set. Imports no torch.
"""

from __future__ import annotations

import io
import json
from importlib.metadata import version
from typing import Any

import numpy as np

from pictures import png
from pictures.formats import media_type_of
from pictures.provenance import Mark, Provenance

_CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
_SETTINGS = {"builder": {"thumbnail": {"enabled": False}}, "verify": {"verify_after_sign": False}}
"""A thumbnail takes eighty times as long as the signature, and up to ten times its bytes."""


class Unsigned(ValueError):
    """Nothing can be signed: the library is not installed, or certificate and key are of no use."""


class Signer:
    """Signs with one certificate, in any thread."""

    def __init__(self, chain: bytes, key: bytes):
        """
        Args:
            chain: PEM; the certificate that signs comes first, then those that vouch for it.
            key: PEM; the private key of that certificate: P-256, P-384, P-521, Ed25519 or RSA.

        Raises:
            Unsigned: they are of no use, or the library is not installed.
        """
        try:
            import c2pa
        except ImportError:
            raise Unsigned("signing needs the extra c2pa: pip install 'easel[c2pa]'") from None
        self._c2pa = c2pa
        self._info = c2pa.C2paSignerInfo(_algorithm(chain, key), chain, key, None)
        self._context = c2pa.Context(settings=c2pa.Settings.from_dict(_SETTINGS))
        self._try()

    def sign(self, data: bytes) -> bytes:
        """An image file with credentials that say what its mark says. A file without a mark is returned as it is.

        No two signatures are alike, even of one file.

        Raises:
            Unsigned: the certificate is of no use any more; it has expired, say.
        """
        mark, media_type, signed = Mark.read(data), media_type_of(data), io.BytesIO()
        if mark is None or media_type is None:
            return data
        try:
            with (
                self._c2pa.Signer.from_info(self._info) as signer,
                self._c2pa.Builder(json.dumps(_manifest(mark)), context=self._context) as builder,
            ):
                builder.sign(signer, media_type, io.BytesIO(data), signed)
        except self._c2pa.C2paError as error:
            raise Unsigned(f"nothing can be signed with this certificate and key ({error})") from None
        return signed.getvalue()

    def _try(self) -> None:
        """Signs something and reads it as others will. Raises `Unsigned`."""
        mark = Provenance(model="", weights="", task="", seed=None, input={}).xmp(replayable=False)
        data = self.sign(png.write(np.zeros((1, 1, 1), np.uint8), xmp=mark))
        with self._c2pa.Reader("image/png", io.BytesIO(data), context=self._context) as reader:
            if reader.get_validation_state() == "Invalid":
                failures = json.loads(reader.json())["validation_results"]["activeManifest"]["failure"]
                why = ", ".join(each.get("explanation", each["code"]) for each in failures)
                raise Unsigned(f"what this certificate signs is not valid ({why})")


def _manifest(mark: Mark) -> dict[str, Any]:
    """The claim: one action (specification, 18.15), by which a model made the picture."""
    made = {
        "action": "c2pa.created",
        "digitalSourceType": mark.source_type,
        "softwareAgent": {"name": mark.model, "version": f"sha256:{mark.weights}"},
    }
    return {
        "claim_generator_info": [{"name": "Easel", "version": version("easel")}],
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [made]}}],
    }


def _algorithm(chain: bytes, key: bytes) -> str:
    """C2PA's name of how the key signs. Raises `Unsigned` unless it is the key of the certificate."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        certificate = x509.load_pem_x509_certificates(chain)[0]
        private = load_pem_private_key(key, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Unsigned("certificate and key must be PEM, the key without a passphrase") from None
    if private.public_key() != certificate.public_key():
        raise Unsigned("the key is not that of the first certificate")
    match private:
        case EllipticCurvePrivateKey() if private.curve.name in _CURVES:
            return _CURVES[private.curve.name]
        case Ed25519PrivateKey():
            return "ed25519"
        case RSAPrivateKey():
            return "ps256"
        case _:
            raise Unsigned("the key must be of P-256, P-384, P-521, Ed25519 or RSA")
