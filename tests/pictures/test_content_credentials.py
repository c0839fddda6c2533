"""Signed pictures, as C2PA's own reader sees them."""

import io
import json
import sys

import numpy as np
import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from pictures import codec
from pictures.content_credentials import Signer, Unsigned
from pictures.formats import media_type_of
from pictures.provenance import SOURCE_TYPES, Provenance
from tests.certificates import KINDS, identity
from tests.conftest import pixels_of
from tests.pictures.test_provenance import EDIT, FORMATS, MADE, PIXELS

c2pa = pytest.importorskip("c2pa")

STUDIO = identity()


@pytest.fixture(scope="module")
def signer():
    return Signer(STUDIO.chain, STUDIO.key)


def verdict(data, authority=STUDIO.authority):
    """Whether a file is `Trusted`, `Valid` or `Invalid` for somebody who trusts the authority; and its one action."""
    trusting = {"trust": {"trust_anchors": authority.decode()}, "verify": {"verify_trust": True}}
    context = c2pa.Context(settings=c2pa.Settings.from_dict(trusting))
    with c2pa.Reader(media_type_of(data), io.BytesIO(data), context=context) as reader:
        told = json.loads(reader.json())
        claim = told["manifests"][told["active_manifest"]]
        (actions,) = [each["data"]["actions"] for each in claim["assertions"] if each["label"] == "c2pa.actions.v2"]
        (action,) = actions
        return reader.get_validation_state(), action


def files():
    yield from ((format, codec.encode(PIXELS, format, 90, MADE)) for format in FORMATS)
    yield "sheet", codec.encode(PIXELS, "png", made=MADE, replayable=False)
    yield from (
        (f"moving {format}", codec.animate([PIXELS, 255 - PIXELS], format, made=MADE)) for format in ("webp", "gif")
    )


@pytest.mark.parametrize(("kind", "data"), list(files()), ids=lambda value: value if isinstance(value, str) else "")
def test_every_kind_of_file_is_signed(signer, kind, data):
    signed = signer.sign(data)
    state, action = verdict(signed)
    assert state == "Trusted"
    assert action["digitalSourceType"] == SOURCE_TYPES + "trainedAlgorithmicMedia"
    assert action["softwareAgent"] == {"name": "mnist-dcgan", "version": "sha256:" + "ab" * 32}
    assert np.array_equal(pixels_of(signed), pixels_of(data))
    assert len(signed) - len(data) < 4096


@pytest.mark.parametrize("format", FORMATS)
def test_a_signed_picture_can_still_be_made_again(signer, format):
    data = codec.encode(PIXELS, format, 90, MADE)
    assert Provenance.read(signer.sign(data)) == Provenance.read(data)


def test_an_edit_of_a_photograph_is_signed_as_one(signer):
    _, action = verdict(signer.sign(codec.encode(PIXELS, "jpg", 90, EDIT)))
    assert action["digitalSourceType"] == SOURCE_TYPES + "compositeWithTrainedAlgorithmicMedia"


def test_what_was_changed_afterwards_is_told(signer):
    signed = signer.sign(codec.encode(PIXELS, "jpg", 90, MADE))
    assert verdict(signed.replace(b'easel:model="mnist-dcgan', b'easel:model="mnist-wgan-'))[0] == "Invalid"


def test_another_authority_does_not_vouch_for_it(signer):
    assert verdict(signer.sign(codec.encode(PIXELS, made=MADE)), identity().authority)[0] == "Valid"


def test_a_picture_without_a_mark_stays_as_it_is(signer):
    plain = codec.encode(PIXELS)
    assert signer.sign(plain) == plain


@pytest.mark.parametrize("kind", KINDS)
def test_keys_of_every_usual_kind_sign(kind):
    studio = identity(kind)
    signed = Signer(studio.chain, studio.key).sign(codec.encode(PIXELS, made=MADE))
    assert verdict(signed, studio.authority)[0] == "Trusted"


EXPIRED, FOR_SERVERS = identity(days=0), identity(purpose=ExtendedKeyUsageOID.SERVER_AUTH)


@pytest.mark.parametrize(
    ("chain", "key", "why"),
    [
        (b"nonsense", STUDIO.key, "must be PEM"),
        (STUDIO.chain, b"nonsense", "must be PEM"),
        (STUDIO.chain, EXPIRED.key, "not that of the first certificate"),
        (EXPIRED.chain, EXPIRED.key, "not valid at time of signing"),
        (FOR_SERVERS.chain, FOR_SERVERS.key, "the certificate is invalid"),
    ],
    ids=["no certificate", "no key", "another's key", "expired", "of a web server"],
)
def test_what_cannot_sign_is_refused(chain, key, why):
    with pytest.raises(Unsigned, match=why):
        Signer(chain, key)


def test_without_the_extra_it_is_said_how_to_have_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "c2pa", None)
    with pytest.raises(Unsigned, match="pip install 'easel\\[c2pa\\]'"):
        Signer(STUDIO.chain, STUDIO.key)
