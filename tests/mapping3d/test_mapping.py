"""The mapping itself: its view of a gesture, its encoders, its file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from imuscribe.mapping3d.analytic import best_plane, flat_equivalent, flattened
from imuscribe.mapping3d.encoder import Encoder
from imuscribe.mapping3d.gallery import Gallery
from imuscribe.mapping3d.mapper import Mapper, export_onnx
from imuscribe.mapping3d.train import Samples, fit_encoder, split_held_out
from imuscribe.mapping3d.views import view, views
from imuscribe.models.config import EncoderConfig, FitConfig, LossConfig, VaryConfig
from imuscribe.recipes.load import load_as, packaged_names, presets, recipe_text
from imuscribe.recipes.mapping import MapRecipe, ViewConfig
from imuscribe.signals.cleaning import CleanConfig, clean
from imuscribe.signals.errors import InputError
from imuscribe.signals.motion.frames import writing_motion
from imuscribe.signals.recording import ACC, GYRO, Recording
from imuscribe.signals.simulate import SimulateConfig, Writer, simulate, write_letter

OLD_ENCODER = Path(__file__).parents[1] / "data" / "encoder-with-rotation.safetensors"
VIEW = ViewConfig(source=("velocity", "acceleration", "rotation"))
SMALL = EncoderConfig(width=8, size=8, kernel=3)
LETTERS = SimulateConfig(people=3, labels="A-D", repetitions=2)


@pytest.fixture(scope="module")
def letters_of() -> Callable[[str], list[Recording]]:
    """Return cleaned simulated letters of a case."""
    everything = [clean(rec) for rec in simulate(LETTERS)]
    return lambda case: [rec for rec in everything if rec.case == case]


def mapper(encoder: Encoder | None = None) -> Mapper:
    torch.manual_seed(0)
    encoder = encoder or Encoder(SMALL, VIEW, 50.0).eval()
    return Mapper(
        encoder, CleanConfig(), {"case": "3d"}, {"case": "2d"}, tuple("ABCD"), ("sim-001",)
    )


def held(rec: Recording, turn: np.ndarray) -> Recording:
    data = np.concatenate([turn @ rec.select(ACC), turn @ rec.select(GYRO)])
    return rec.replace(data=data, channels=ACC + GYRO)


# --- the analytic mapping


def test_the_best_plane_of_a_leaning_movement_is_the_plane_it_was_made_in(letters_of):
    motion = writing_motion(letters_of("3d")[0])
    lean = np.radians(25)
    right, up = np.array([1.0, 0, 0]), np.array([0, np.cos(lean), np.sin(lean)])
    t = np.linspace(0, 2 * np.pi, len(motion.t))
    ring = np.outer(right, np.cos(t)) + np.outer(up, np.sin(t))
    leaning = motion.__class__(**{**vars(motion), "velocity": ring.astype(np.float32)})
    found = best_plane(leaning)
    # The ridge draws a fifth of the lean back to upright.
    np.testing.assert_allclose(found, [right, up], atol=0.08)
    np.testing.assert_allclose(found @ found.T, np.eye(2), atol=1e-12)


def test_a_flat_movement_is_its_own_plane(letters_of):
    motion = writing_motion(letters_of("2d")[0])
    np.testing.assert_array_equal(flattened(motion, "velocity"), motion.velocity[[0, 2]])


@pytest.mark.parametrize("label", ["L", "O", "S"])
def test_the_flat_equivalent_is_the_same_stroke_on_a_table(label):
    """Read again as a flat recording, it moves as the hand did in the air."""
    writer = Writer.draw(0)
    rec = clean(write_letter(writer, label, "3d", np.random.default_rng(0))[0])
    flat = flat_equivalent(rec)
    assert (flat.case, flat.label, flat.subject) == ("2d", label, writer.name)
    assert flat.rate == pytest.approx(rec.rate)
    np.testing.assert_allclose(flat.select(ACC)[2], 9.80665, rtol=1e-6)
    air = flattened(writing_motion(rec), "velocity")
    table = writing_motion(flat).plane("velocity")[:, -air.shape[1] :]
    for a, b in zip(air, table, strict=True):
        assert np.corrcoef(a, b)[0, 1] > 0.95


def test_a_late_recording_gets_a_run_up_from_rest():
    rec = clean(write_letter(Writer.draw(0), "O", "3d", np.random.default_rng(0))[0])
    cut = rec.n_samples // 3
    late = rec.replace(data=rec.data[:, cut:], t=rec.t[cut:] - rec.t[cut])
    speed = np.linalg.norm(writing_motion(late).velocity[:, 0])
    assert speed > 0.1  # m/s: the hand was moving when the recording began
    flat = flat_equivalent(late)
    assert flat.n_samples == late.n_samples + 5  # a tenth of a second at 50 Hz
    after = writing_motion(flat).velocity[:, 5]
    assert np.linalg.norm(after) == pytest.approx(speed, rel=0.35)
    assert flat_equivalent(flat) is flat


# --- views


@pytest.mark.parametrize("space", ["plane", "level"])
def test_however_the_device_is_held_the_view_stays(letters_of, space):
    config = VIEW.model_copy(update={"space": space})
    turn = Rotation.from_rotvec([0.9, -1.7, 0.4]).as_matrix()
    for rec in letters_of("3d")[:6]:
        np.testing.assert_allclose(
            view(held(rec, turn), config, "source"), view(rec, config, "source"), atol=2e-3
        )


def test_the_embedding_stays_too_and_a_batch_equals_its_parts(letters_of):
    recordings, made = letters_of("3d"), mapper()
    turn = Rotation.from_rotvec([0, np.pi / 2, 0.3]).as_matrix()
    together = made.embed(recordings, "source")
    turned = made.embed([held(rec, turn) for rec in recordings], "source")
    np.testing.assert_allclose(turned, together, atol=2e-3)
    single = np.concatenate([made.embed([rec], "source") for rec in recordings])
    np.testing.assert_allclose(single, together, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)


def test_level_needs_a_gyroscope_and_gravity(letters_of):
    config = ViewConfig(space="level")
    rec = letters_of("3d")[0]
    with pytest.raises(InputError, match="has no gyroscope"):
        view(rec.replace(data=rec.acc, channels=ACC), config, "source")
    with pytest.raises(InputError, match="gravity"):
        floating = rec.replace(data=rec.data - rec.data.mean(axis=1, keepdims=True))
        view(floating, config, "source")


def test_the_movement_view_does_not_see_how_the_device_turns(letters_of):
    """Rotation that copies velocity, or its opposite: the rows of the encoder are the same."""
    motion = writing_motion(letters_of("3d")[0])
    assert ViewConfig().channels("source") == ViewConfig(source="movement").channels("source")
    assert not any("rotation" in row for row in ViewConfig().channels("source"))
    with_rotation = view(letters_of("3d")[0], ViewConfig(source="writing"), "source")
    without = view(letters_of("3d")[0], ViewConfig(source="movement"), "source")
    assert with_rotation.shape == (6, 32) and np.abs(motion.rotation).max() > 0
    np.testing.assert_array_equal(without, with_rotation[:4])


@pytest.mark.parametrize("name", ["map-sim", "map-demo", "map-charsense"])
def test_packaged_encoders_of_letters_leave_rotation_out_unless_asked(name):
    assert load_as(MapRecipe, name).view.source == ("velocity", "acceleration")
    asked = load_as(MapRecipe, name, ["view.source=writing", "evaluate.baseline_signals=movement"])
    assert asked.view.source == ("velocity", "acceleration", "rotation")
    assert asked.evaluate.baseline_signals == ("velocity", "acceleration")
    listed = load_as(MapRecipe, name, ["view.source=velocity,rotation"])
    assert listed.view.source == ("velocity", "rotation")


# --- encoders


@pytest.mark.parametrize("weights", ["shared", "dual", "partly-shared"])
def test_what_is_shared_is_one_network(weights):
    same = ViewConfig()
    encoder = Encoder(SMALL.model_copy(update={"weights": weights}), same, 50.0)
    first = encoder.first["source"] is encoder.first["target"]
    rest = encoder.rest["source"] is encoder.rest["target"]
    assert (first, rest) == {
        "shared": (True, True), "dual": (False, False), "partly-shared": (False, True),
    }[weights]  # fmt: skip
    encoder.eval()
    x = torch.randn(3, 4, same.steps)
    a, b = encoder.both(x, x)
    assert torch.allclose(a, encoder(x, "source"), atol=1e-6)
    assert torch.allclose(b, encoder(x, "target"), atol=1e-6)
    assert torch.equal(a, b) == (weights == "shared")


def test_shared_weights_need_shared_channels():
    with pytest.raises(InputError, match=r"6 channels and the target 4.*partly-shared"):
        Encoder(SMALL.model_copy(update={"weights": "shared"}), VIEW, 50.0)


def test_residual_blocks_begin_as_what_came_in_and_halve_the_time_like_plain_ones():
    config = SMALL.model_copy(update={"layers": "residual"})
    encoder = Encoder(config, ViewConfig(), 50.0).eval()
    found = encoder.embed(np.ones((2, 4, 32), np.float32), "source")
    assert found.shape == (2, 8)
    first = encoder.rest["source"][0]
    with torch.no_grad():
        for parameter in first.parameters():
            parameter.zero_()  # nothing is added: what remains is what came in
    x = torch.rand(2, 8, 16)
    torch.testing.assert_close(first(x), torch.nn.functional.max_pool1d(x, 2))


def test_an_encoder_saved_before_there_was_a_choice_of_layers_still_loads():
    old = Mapper.load(OLD_ENCODER)
    assert old.version == "eb5bb7b416f0" and old.encoder.config.layers == "plain"
    assert old.encoder.view.source == ("velocity", "acceleration", "rotation")


def test_embeddings_are_as_long_as_they_come_where_not_normalised():
    encoder = Encoder(SMALL.model_copy(update={"normalise": False}), VIEW, 50.0)
    found = encoder.embed(np.ones((2, 6, 32), np.float32), "source")
    assert not np.allclose(np.linalg.norm(found, axis=1), 1)


def test_a_mapping_is_saved_and_loaded_whole(tmp_path, letters_of):
    made = mapper()
    made.save(tmp_path / "e.safetensors")
    back = Mapper.load(tmp_path / "e.safetensors")
    assert back.version == made.version and back.space == made.space
    assert (back.labels, back.people, back.source) == (made.labels, made.people, made.source)
    some = letters_of("2d")[:4]
    np.testing.assert_array_equal(back.embed(some, "target"), made.embed(some, "target"))
    content = bytearray((tmp_path / "e.safetensors").read_bytes())
    content[-5] ^= 64
    (tmp_path / "e.safetensors").write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        Mapper.load(tmp_path / "e.safetensors")
    with pytest.raises(InputError, match="no such file"):
        Mapper.load(tmp_path / "none.safetensors")


def test_another_encoder_rate_or_a_nan_is_refused(letters_of):
    made = mapper()
    store = Gallery(made.space)
    made.enrol(store, letters_of("2d"))
    other = Encoder(SMALL, VIEW, 50.0).eval()
    with torch.no_grad():
        next(other.parameters()).add_(1)
    with pytest.raises(InputError, match=r"encoder: its encoder is \w+, the gallery's is \w+"):
        mapper(other).enrol(store, letters_of("2d"))
    fast = clean(simulate(LETTERS)[0], CleanConfig(rate=100))
    with pytest.raises(InputError, match=r"is at 100.0 Hz, the encoder reads 50 Hz"):
        made.embed([fast], "source")
    with torch.no_grad():
        next(other.parameters()).fill_(torch.nan)
    with pytest.raises(InputError, match="is not a number"):
        mapper(other).embed(letters_of("3d")[:1], "source")


def test_onnx_computes_the_same(tmp_path, letters_of):
    pytest.importorskip("onnx", reason="the extra onnx is not installed")
    runtime = pytest.importorskip("onnx.reference", reason="the extra onnx is not installed")
    made = mapper()
    export_onnx(made, "source", tmp_path / "e.onnx")
    x = views(letters_of("3d")[:3], VIEW, "source")
    (found,) = runtime.ReferenceEvaluator(str(tmp_path / "e.onnx")).run(None, {"views": x})
    np.testing.assert_allclose(found, made.encoder.embed(x, "source"), atol=1e-4)


# --- training


def toy(n: int, people: tuple[str, ...], channels: int, seed: int) -> Samples:
    """Two classes that differ in the sign of their rows."""
    rng = np.random.default_rng(seed)
    labels = np.array(list("AB") * n)
    sign = np.where(labels == "A", 1, -1)[:, None, None]
    x = (sign + 0.5 * rng.standard_normal((2 * n, channels, 32))).astype(np.float32)
    return Samples(x, labels, np.resize(np.array(people), 2 * n))


QUICK = FitConfig(epochs=2, triplets=80, per_class=4, loss=LossConfig(kind="triplet", margin=0.5))


def test_training_brings_a_class_of_both_conditions_together_and_is_repeatable():
    source, target = toy(10, ("a", "b"), 6, 0), toy(10, ("a", "b"), 4, 1)
    held_out = toy(10, ("c",), 6, 2)
    found = []
    for _ in range(2):
        torch.manual_seed(0)
        encoder = Encoder(SMALL, VIEW, 50.0)
        torch.manual_seed(np.random.default_rng().integers(1000))  # nobody else's state matters
        history = fit_encoder(encoder, source, target, QUICK, held_out, seed=3, progress=False)
        found.append(encoder.embed(held_out.x, "source"))
    np.testing.assert_array_equal(*found)
    assert history.held_out == ("c",) and history.scores[history.best] == 1.0


def test_training_stops_when_the_held_out_stop_gaining():
    config = QUICK.model_copy(update={"epochs": 30, "patience": 2})
    encoder = Encoder(SMALL, VIEW, 50.0)
    history = fit_encoder(
        encoder, toy(8, ("a",), 6, 0), toy(8, ("a",), 4, 1), config, toy(8, ("c",), 6, 2), 0, False
    )
    assert len(history.loss) == history.best + 3 < 30


def test_variation_changes_what_is_learnt_but_not_its_repeatability():
    found = {}
    for name, vary in {"as they are": None, "once": VaryConfig(), "again": VaryConfig()}.items():
        torch.manual_seed(0)
        encoder = Encoder(SMALL, VIEW, 50.0)
        config = QUICK.model_copy(update={"vary": vary})
        fit_encoder(
            encoder, toy(8, ("a",), 6, 0), toy(8, ("a",), 4, 1), config, seed=3, progress=False
        )
        found[name] = encoder.embed(toy(4, ("c",), 6, 2).x, "source")
    np.testing.assert_array_equal(found["once"], found["again"])
    assert not np.allclose(found["once"], found["as they are"])


def test_mistakes_in_training_are_named():
    encoder = Encoder(SMALL, VIEW, 50.0)
    source, target = toy(4, ("a",), 6, 0), toy(4, ("a",), 4, 1)
    a = source.labels == "A"
    single = Samples(source.x[a], source.labels[a], source.people[a])
    with pytest.raises(InputError, match="conditions: A: a mapping is learnt from at least two"):
        fit_encoder(encoder, single, target, QUICK)
    with pytest.raises(InputError, match="person a is held out and trains"):
        fit_encoder(encoder, source, target, QUICK, source)
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match=r"there is no GPU here: set fit.device=auto"):
            fit_encoder(encoder, source, target, QUICK.model_copy(update={"device": "cuda"}))
    wild = QUICK.model_copy(update={"lr": 1e30})
    with pytest.raises(InputError, match=r"loss is not a number: lower fit.lr"):
        fit_encoder(encoder, source, target, wild, progress=False)


def test_who_stops_training_is_who_has_least_and_never_everybody():
    people = ["a"] * 3 + ["b"] + ["c"] * 2
    assert split_held_out(people, 1) == ("b",)
    assert split_held_out(people, 5) == ("b", "c")
    assert split_held_out(["a"], 1) == ()


# --- recipes


@pytest.mark.parametrize("name", [n for n in packaged_names() if n.startswith("map-")])
def test_packaged_mapping_recipes_are_valid_and_say_how_to_run_them(name: str) -> None:
    assert load_as(MapRecipe, name).name == name
    for preset in presets(name):
        assert load_as(MapRecipe, name, [f"preset={preset}"]) != load_as(MapRecipe, name)
    assert f"imuscribe map eval {name}" in recipe_text(name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("labels=A", "at least two classes"),
        ("target={case: 3d}", "name two different conditions"),
        ("source={}", "each need a column"),
        ("source={colour: red}", "source"),
        ("evaluate.methods=[llm-3d]", "evaluate.adapter=air-letters"),
        ("evaluate.methods=[fusion]", "'adapter' is null"),
        ("view.source=movment", "view.source"),
        ("encoder.widht=3", "did you mean 'width'"),
    ],
)
def test_mistakes_in_a_recipe_are_named(change: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_as(MapRecipe, "map-sim", [change])
