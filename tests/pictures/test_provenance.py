"""What a picture says of itself, in every format, to us and to programs of others."""

import io
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from pictures import codec
from pictures.provenance import NAMESPACE, SOURCE_TYPES, NoProvenance, Provenance

MADE = Provenance(
    model="mnist-dcgan", weights="ab" * 32, task="sample", seed=3, input={"text": "a \"red\" <heart> & 'é'"}
)
EDIT = MADE.model_copy(update={"task": "translate", "seed": None, "input": {"image": "sha256:" + "0" * 64}})
PIXELS = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
SOURCE_TYPE = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"
FORMATS = ["png", "jpg", "webp", "avif"]


def properties(data):
    """The XMP properties of an image file, read as anybody's program would."""
    packet = data.decode("utf-8", errors="replace")
    (description,) = ET.fromstring(packet[packet.index("<x:") : packet.index("<?xpacket end")]).iter(
        "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description"
    )
    return description.attrib


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_is_marked_and_can_be_made_again(format):
    data = codec.encode(PIXELS, format, 80, MADE)
    said = properties(data)
    assert (
        said["{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"]
        == SOURCE_TYPES + "trainedAlgorithmicMedia"
    )
    assert said[f"{{{NAMESPACE}}}model"] == "mnist-dcgan"
    assert said[f"{{{NAMESPACE}}}weights"] == "ab" * 32
    expected = MADE if format == "png" else MADE.model_copy(update={"quality": 80})
    assert Provenance.read(data) == expected
    assert codec.encode(PIXELS, format, 80, MADE) == data
    plain = codec.encode(PIXELS, format, 80)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(plain))), np.asarray(Image.open(io.BytesIO(data))))
    with pytest.raises(NoProvenance, match="does not say"):
        Provenance.read(plain)


@pytest.mark.parametrize("format", FORMATS)
def test_an_edit_of_a_photograph_is_marked_as_one(format):
    said = properties(codec.encode(PIXELS, format, 90, EDIT))
    assert said[SOURCE_TYPE] == SOURCE_TYPES + "compositeWithTrainedAlgorithmicMedia"


@pytest.mark.parametrize("format", ["webp", "gif"])
def test_animations_are_marked_and_still_play(format):
    frames = [PIXELS, 255 - PIXELS, PIXELS // 2]
    data = codec.animate(frames, format, made=MADE)
    assert properties(data)[f"{{{NAMESPACE}}}model"] == "mnist-dcgan"
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.n_frames == 3
    with pytest.raises(NoProvenance):
        Provenance.read(data)  # no single image


@pytest.mark.parametrize("format", FORMATS)
def test_a_sheet_says_who_made_it_and_no_more(format):
    data = codec.encode(PIXELS, format, 90, MADE, replayable=False)
    assert f"{{{NAMESPACE}}}made" not in properties(data)
    assert properties(data)[f"{{{NAMESPACE}}}weights"] == "ab" * 32


def test_the_mark_takes_little():
    assert len(MADE.xmp(replayable=False)) < 600
