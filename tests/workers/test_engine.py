"""Models in memory: exactness at every batch size, and the budget."""

import gc
import weakref

import numpy as np
import pytest
import torch

from jobs.prediction import Order
from models import checkpoint
from models.card import Task
from models.families.gan import GAN
from models.model import Step, build
from models.registry import Registry
from pictures.framing import Frame
from tasks.compilation import Assurance
from workers import engine as engines
from workers import progress
from workers.engine import Engine
from workers.progress import unreported
from workers.work import PredictionError, Work


@pytest.fixture
def engine(toy_zoo):
    return Engine(Registry([toy_zoo]), "cpu", 1)


def run(engine, works, report=unreported):
    """What comes of works that are not prepared yet."""
    return engine.run([engine.prepare(work) for work in works], report)


def sample(model="toy-dcgan", **fields):
    return Work(Order(model=model, task=Task.SAMPLE, input={"n": 1, "seed": 0, **fields}), [])


def test_images_are_the_same_to_the_bit_however_they_are_batched(engine):
    together = [sample(seed=seed) for seed in range(11)]
    together = run(engine, together)
    for seed in (0, 5, 10):
        alone = sample(seed=seed)
        (alone,) = run(engine, [alone])
        assert np.array_equal(alone.output.images, together[seed].output.images)
    assert together[0].batch_size == 11


def test_translations_are_the_same_to_the_bit_however_they_are_batched(engine):
    def translate(seed):
        picture = np.random.default_rng(seed).integers(0, 256, (32, 32, 3), np.uint8)
        fields = {"image": "upload:x", "direction": "AtoB"}
        return Work(Order(model="toy-cyclegan", task=Task.TRANSLATE, input=fields), [picture])

    together = [translate(seed) for seed in range(5)]
    together = run(engine, together)
    alone = translate(3)
    (alone,) = run(engine, [alone])
    assert np.array_equal(alone.output.images, together[3].output.images)


def test_pictures_of_all_sizes_and_fits_share_a_pass_and_stay_the_same(engine):
    def translate(size, fit):
        frame = fit and Frame.of(size, (32, 32), fit, None)
        width, height = frame.inner if frame else (32, 32)
        picture = np.random.default_rng(width).integers(0, 256, (height, width, 3), np.uint8)
        fields = {"image": "upload:x", "direction": "AtoB", "fit": fit}
        return Work(Order(model="toy-cyclegan", task=Task.TRANSLATE, input=fields, frame=frame), [picture])

    asked = [((80, 20), "tile"), ((50, 70), "contain"), ((9, 9), "stretch"), ((32, 32), None)]
    together = [translate(*each) for each in asked]
    together = run(engine, together)
    assert [work.batch_size for work in together] == [6, 6, 6, 6]
    assert [len(work.output.images) for work in together] == [3, 1, 1, 1]
    for work, each in zip(together, asked, strict=True):
        alone = translate(*each)
        (alone,) = run(engine, [alone])
        assert np.array_equal(alone.output.images, work.output.images)


@pytest.mark.parametrize(
    ("model", "task", "fields"),
    [
        ("toy-pixelcnn", Task.SAMPLE, {}),
        ("toy-glow", Task.SAMPLE, {}),
        ("toy-ss-gan", Task.SAMPLE, {}),
        ("toy-gan-int-cls", Task.TEXT, {"text": "red apple"}),
        ("toy-diffusion", Task.CONDITIONAL, {"label": 3, "steps": 5}),
        ("toy-text-diffusion", Task.TEXT, {"text": "red apple", "steps": 5}),
        ("toy-diffusion", Task.CONDITIONAL, {"label": 3, "steps": 5, "sampler": "ddpm", "guidance": 2}),
    ],
)
def test_models_of_many_steps_and_of_texts_make_the_same_images_however_they_are_batched(engine, model, task, fields):
    def work(seed):
        return Work(Order(model=model, task=task, input={"n": 1, "seed": seed, **fields}), [])

    together = [work(seed) for seed in range(5)]
    together = run(engine, together)
    alone = work(3)
    (alone,) = run(engine, [alone])
    assert np.array_equal(alone.output.images, together[3].output.images)
    assert not np.array_equal(together[2].output.images, together[3].output.images)


@pytest.mark.parametrize(
    ("task", "fields"), [(Task.INPAINT, {"mask": "upload:y"}), (Task.VARY, {"strength": 0.6, "steps": 5})]
)
def test_pictures_are_redrawn_the_same_however_they_are_batched(engine, task, fields):
    pictures = [np.full((28, 28, 1), shade, np.uint8) for shade in (90, 255)][: 2 if task is Task.INPAINT else 1]

    def work(seed):
        return Work(
            Order(model="toy-diffusion", task=task, input={"image": "upload:x", "seed": seed, **fields}), pictures
        )

    together = [work(seed) for seed in range(3)]
    together = run(engine, together)
    alone = work(1)
    (alone,) = run(engine, [alone])
    assert np.array_equal(alone.output.images, together[1].output.images)
    assert not np.array_equal(together[0].output.images, together[1].output.images)


def test_a_canceled_diffusion_stops_at_its_next_step(engine, monkeypatch):
    monkeypatch.setattr(progress, "REPORT_S", -1)
    order = Order(model="toy-diffusion", task=Task.CONDITIONAL, input={"seed": 0, "label": 1, "steps": 50})
    work, reported = Work(order), []

    def report(work, progress):
        reported.append(progress.done)
        if progress.done == 4:
            work.canceled.set()

    assert run(engine, [work], report) == [None]
    assert reported == [1, 2, 3, 4]


def test_requests_that_cannot_share_a_pass_are_run_apart(engine):
    picture = np.zeros((32, 32, 3), np.uint8)
    works = [
        Work(Order(model="toy-cyclegan", task=Task.TRANSLATE, input={"image": "upload:x", "direction": way}), [picture])
        for way in ("AtoB", "BtoA", "AtoB")
    ]
    works = run(engine, works)
    assert [work.batch_size for work in works] == [2, 1, 2]
    assert not np.array_equal(works[0].output.images, works[1].output.images)


def test_the_least_recently_used_model_is_dropped_before_another_is_loaded(toy_zoo):
    registry = Registry([toy_zoo])
    sizes = {name: registry[name].card.weights.parameters * 4 for name in ("toy-dcgan", "toy-cgan", "toy-vae")}
    engine = Engine(registry, "cpu", 1, memory_bytes=sum(sizes.values()) - 1)
    for name in ("toy-dcgan", "toy-cgan", "toy-dcgan", "toy-vae"):
        engine.load(name)
    assert engine.memory.names == ["toy-dcgan", "toy-vae"]


def test_what_a_dropped_model_held_is_given_back_though_the_collector_sleeps(engine):
    gc.disable()
    try:
        run(engine, [sample()])
        held = weakref.ref(engine.load("toy-dcgan").model)
        engine.memory.drop("toy-dcgan")
        assert held() is None
    finally:
        gc.enable()


def test_an_unknown_model_is_said(engine):
    with pytest.raises(PredictionError, match="no model 'nope'") as caught:
        run(engine, [sample("nope")])
    assert caught.value.code == "model_not_found"


@pytest.fixture
def stepwise(monkeypatch):
    """toy-dcgan, as if it needed ten passes for its images, each of which is told of."""
    whole = GAN.sample
    passes = []

    def sample(self, latent, labels=None):
        for done in range(1, 11):
            passes.append(len(latent))
            yield Step(done, 10, whole(self, latent, labels) * (done / 10))

    monkeypatch.setattr(GAN, "sample", sample)
    monkeypatch.setattr(progress, "REPORT_S", -1)
    return passes


def test_steps_are_reported_with_previews_and_the_last_is_the_result(engine, stepwise):
    first, second = engine.prepare(sample(n=2)), engine.prepare(sample(n=15, seed=5))
    reports = []
    made, _ = engine.run([first, second], lambda work, progress: reports.append((work, progress)))
    assert [progress.done for work, progress in reports if work is second] == [*range(1, 20)]
    assert {progress.total for _, progress in reports} == {20}
    assert all(len(progress.preview) == 2 for work, progress in reports[:18] if work is first)
    assert reports[0][1].preview.std() < made.output.images.std() > 0


def test_a_canceled_work_stops_at_its_next_step(engine, stepwise):
    work = sample()
    engine.load("toy-dcgan")
    stepwise.clear()
    cancel = lambda work, progress: work.canceled.set() if progress.done == 4 else None  # noqa: E731
    assert run(engine, [work], cancel) == [None]
    assert len(stepwise) == 5


def test_a_size_is_measured_by_few_steps_and_only_when_it_is_needed(engine, stepwise):
    engine.load("toy-dcgan")
    assert stepwise == []
    run(engine, [sample(n=16)])
    assert stepwise.count(16) - 10 == engines.PROBE_STEPS
    assert torch.is_inference_mode_enabled() is False


@pytest.fixture
def small_memory(engine, monkeypatch):
    """Says how many images of the toys fit into memory at once; more raise what torch does."""
    engine.eager = True
    whole, tried = GAN.sample, []

    def limit(images, error):
        def sample(self, latent, labels=None):
            tried.append(len(latent))
            if len(latent) > images:
                raise error
            return whole(self, latent, labels)

        monkeypatch.setattr(GAN, "sample", sample)
        return tried

    return limit


OUT_OF_MEMORY = (  # of CUDA, of torch on a CPU, of ONNX Runtime, of Python
    torch.OutOfMemoryError("CUDA out of memory"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: can't allocate memory: Error code 12"),
    Exception("[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Failed to allocate memory for requested buffer of size 9"),
    MemoryError(),
)


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=["cuda", "torch", "onnx", "python"])
def test_out_of_memory_halves_the_batch_and_is_remembered(engine, small_memory, error):
    expected = [sample(seed=seed) for seed in range(16)]
    expected = run(engine, expected)
    tried = small_memory(5, error)
    works = [sample(seed=seed) for seed in range(16)]
    made = run(engine, works)
    assert tried[0] == 16
    assert tried[-4:] == [4] * 4
    assert all(
        np.array_equal(work.output.images, same.output.images) for work, same in zip(made, expected, strict=True)
    )
    tried.clear()
    run(engine, works)
    assert tried == [4] * 4
    engine.memory.drop("toy-dcgan")
    engine.load("toy-dcgan")
    tried.clear()
    run(engine, works)
    assert max(tried) == 4, "remembered after the model was dropped, too"


def test_a_model_that_is_probed_with_too_much_is_served_with_less(engine, small_memory):
    small_memory(5, OUT_OF_MEMORY[0])
    work = sample(n=16)
    (work,) = run(engine, [work])
    assert len(work.output.images) == 16
    assert engine.largest["toy-dcgan"] == 4


@pytest.mark.parametrize("error", [*OUT_OF_MEMORY, checkpoint.BadCheckpoint("toy: can't allocate memory")])
def test_weights_that_do_not_fit_drop_the_other_models_and_then_it_is_said(engine, monkeypatch, error):
    engine.load("toy-vae")
    read, beside = checkpoint.read, []

    def tight(folder, card):
        beside.append(engine.memory.names)
        if engine.memory.loaded or card.name == "toy-cgan":
            raise error
        return read(folder, card)

    monkeypatch.setattr(checkpoint, "read", tight)
    run(engine, [sample()])
    assert beside == [["toy-vae"], []]
    with pytest.raises(PredictionError) as caught:
        engine.load("toy-cgan")
    assert caught.value.code == "out_of_memory"
    assert not engine.memory.loaded


def test_one_image_that_does_not_fit_drops_the_other_models_and_then_is_said(engine, small_memory):
    for model in ("toy-vae", "toy-dcgan"):
        engine.load(model)
    small_memory(0, OUT_OF_MEMORY[0])
    with pytest.raises(PredictionError) as caught:
        run(engine, [sample()])
    assert caught.value.code == "out_of_memory"
    assert engine.memory.names == ["toy-dcgan"]


def upscaled(size, scale=2, native=None, seed=0):
    picture = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    frame = Frame.native(size, native or EDSR, scale=scale)
    fields = {"image": "upload:x", "scale": scale}
    return Work(Order(model="toy-edsr", task=Task.UPSCALE, input=fields, frame=frame), [picture])


EDSR = build("edsr", {"width": 4, "blocks": 1}).native


def test_pictures_at_their_own_size_share_a_pass_with_those_of_one_size_and_stay_the_same(engine):
    sizes = [(40, 30), (40, 30), (57, 21), (40, 30), (32, 32)]
    together = [upscaled(size, seed=seed) for seed, size in enumerate(sizes)]
    together = run(engine, together)
    assert [work.batch_size for work in together] == [3, 3, 1, 3, 1]
    for seed, (size, work) in enumerate(zip(sizes, together, strict=True)):
        assert work.output.images.shape == (1, 2 * size[1], 2 * size[0], 3)
        (alone,) = run(engine, [upscaled(size, seed=seed)])
        assert np.array_equal(alone.output.images, work.output.images)
    (other,) = run(engine, [upscaled((40, 30), scale=4)])
    assert other.output.images.shape == (1, 120, 160, 3)


def test_a_batch_that_tracing_gets_wrong_is_left_to_torch_when_it_comes(engine, monkeypatch):
    """The first answer does not wait for a look at larger batches; what a graph makes of them is checked then."""
    whole = GAN.sample

    def sample_(self, latent, labels=None):
        made = whole(self, latent, labels)
        return made.flatten(0, 1)[: len(latent) * made.shape[1]].reshape(-1, *made.shape[1:])

    (wanted,) = run(engine, [sample(n=3)])
    engine.memory.loaded.clear()
    monkeypatch.setattr(GAN, "sample", sample_)
    run(engine, [sample()])
    (compiled,) = engine.load("toy-dcgan").compiled.values()
    assert compiled.checked is Assurance.FIRST
    (made,) = run(engine, [sample(n=3)])
    assert [*engine.load("toy-dcgan").compiled.values()] == [None]
    assert np.abs(made.output.images.astype(int) - wanted.output.images).max() <= 1


@pytest.mark.parametrize("eager", [False, True])
def test_tiles_of_a_picture_and_the_whole_agree_within_one_level(engine, eager):
    engine.eager = eager
    whole, tiled = upscaled((150, 97)), upscaled((150, 97), native=EDSR.model_copy(update={"whole": 48 * 48}))
    whole, tiled = run(engine, [whole, tiled])
    assert (whole.order.frame.tiles, tiled.order.frame.tiles) == (1, 12)
    answers = [work.order.frame.join(work.output.images).astype(int) for work in (whole, tiled)]
    assert np.abs(answers[0] - answers[1]).max() <= 1


def test_a_large_picture_is_done_tile_by_tile_and_can_be_canceled_between_two(engine, monkeypatch):
    monkeypatch.setattr(progress, "REPORT_S", -1)
    monkeypatch.setattr(engines, "BATCH_PIXELS", 1)
    work, told = upscaled((150, 97), native=EDSR.model_copy(update={"whole": 48 * 48})), []

    def report(work, step):
        told.append((step.done, step.total, step.preview))
        if step.done == 3:
            work.canceled.set()

    assert run(engine, [work], report) == [None]
    assert told == [(1, 12, None), (2, 12, None), (3, 12, None)]


def test_it_is_remembered_of_few_sizes_only_which_batches_are_exact(engine, monkeypatch):
    monkeypatch.setattr(engines, "SIZES_KEPT", 2)
    for side in (33, 34, 35):
        run(engine, [upscaled((side, 20), seed=seed) for seed in range(2)])
    assert len(engine.load("toy-edsr").native_sizes) == 2
