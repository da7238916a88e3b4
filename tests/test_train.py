import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import textwrap
import types

import pytest
import torch

from innae_utils import data, losses, models, settings, train
from innae_utils.train import TrainingError

FEW = data.load("digits", "train", limit=200)


def recipe(model="inn", name="paper", epochs=4, **changes):
    return dataclasses.replace(settings.find_recipe("digits", model, name).scaled(epochs), **changes)


def fit(model="inn", seed=0, **arguments):
    network = models.build(model, "digits", 8, seed=seed)
    history = list(train.fit(network, FEW, arguments.pop("recipe", recipe(model)), seed=seed, **arguments))
    return network, history


def losses_of(history):
    return [{name: value for name, value in record.items() if name != "seconds"} for record in history]


def same_weights(one, two):
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True))


@pytest.mark.parametrize("model", ["inn", "classic", "inn_vae", "classic_vae", "classic_mmd"])
def test_the_same_seed_twice_gives_the_same_numbers_and_another_seed_does_not(model):
    (one, first), (two, second), (other, third) = fit(model), fit(model), fit(model, seed=1)
    assert losses_of(first) == losses_of(second) != losses_of(third)
    assert same_weights(one, two) and not same_weights(one, other)
    assert train.evaluate(one, FEW) == train.evaluate(two, FEW)


@pytest.mark.parametrize(("model", "name"), [("inn", "paper"), ("classic", "paper"), ("classic", "late")])
def test_the_learning_rate_that_adam_used_is_the_recipes(model, name, monkeypatch):
    """Seen from inside Adam, step by step: a scheduler stepped once a batch would be over in the first epochs."""
    plan = recipe(model, name, epochs=20)
    used = []
    step = torch.optim.Adam.step
    monkeypatch.setattr(
        torch.optim.Adam, "step", lambda self, *a: (used.append(self.param_groups[0]["lr"]), step(self, *a))[1]
    )
    _, history = fit(model, recipe=plan)
    each = len(FEW) // plan.batch_size
    assert used == [plan.learning_rate(epoch) for epoch in range(1, 21) for _ in range(each)]
    assert [record["lr"] for record in history] == [plan.learning_rate(epoch) for epoch in range(1, 21)]


def test_one_epoch_is_a_textbook_adam_loop():
    """The whole of fit against a loop written out with torch's own Adam, in the plain (not fused) form, in float64."""
    plan = recipe(epochs=2)
    network, reference = (models.build("inn", "digits", 8, seed=0) for _ in range(2))
    for parameters in zip(network.parameters(), reference.parameters(), strict=True):
        if parameters[0].requires_grad:
            torch.nn.init.normal_(parameters[0], std=0.05)
            parameters[1].data.copy_(parameters[0].data)
    network, reference = network.double(), reference.double()
    images = Float64(FEW.pixels, FEW.max_value)
    history = list(train.fit(network, images, plan, seed=3))

    trained = [parameter for parameter in reference.parameters() if parameter.requires_grad]
    adam = torch.optim.Adam(trained, 2e-3, betas=(0.8, 0.8), eps=1e-4, weight_decay=1e-6, fused=False, foreach=False)
    for epoch in (1, 2):
        adam.param_groups[0]["lr"] = plan.learning_rate(epoch)
        seen = []
        for index in data.shuffled(200, 32, 3, epoch):
            x = FEW.pixels[index].double() / 16
            y, z = reference.transform(x)
            loss = (x - reference.decode(y)).abs().mean() + z.square().mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
            seen.append(float(loss.detach()))
        assert history[epoch - 1]["loss"] == pytest.approx(sum(seen) / len(seen), rel=1e-9)
    for ours, theirs in zip(network.parameters(), reference.parameters(), strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-7, atol=1e-9)


class Float64(data.Images):
    def batch(self, index):
        return super().batch(index).double()


@pytest.mark.parametrize("model", ["inn_vae", "classic_vae", "classic_mmd"])
def test_the_noise_of_an_epoch_depends_on_seed_and_epoch_alone(model, tmp_path, monkeypatch):
    """Stopped after two of four epochs and gone on, with torch's own generator elsewhere: the very same weights."""
    plan = recipe(model)
    network, history = fit(model, recipe=plan)
    broken = models.build(model, "digits", 8, seed=0)
    records = train.fit(broken, FEW, plan, seed=0, checkpoint=tmp_path / "c.pt", identity="x")
    next(records), next(records)
    records.close()
    torch.manual_seed(12345)
    resumed = models.build(model, "digits", 8, seed=99)
    again = list(train.fit(resumed, FEW, plan, seed=0, checkpoint=tmp_path / "c.pt", identity="x"))
    assert losses_of(again) == losses_of(history) and same_weights(network, resumed)
    draws = {
        tuple(torch.randn(3, generator=train.noise(seed, epoch)).tolist()) for seed in range(4) for epoch in range(1, 9)
    }
    assert len(draws) == 32, "each seed and each epoch has noise of its own"
    order = torch.Generator().manual_seed(0 * 1_000_003 + 1)
    assert not torch.equal(torch.randn(3, generator=order), torch.randn(3, generator=train.noise(0, 1)))


SMALL = torch.full((4,), 1e-30)
flushes = pytest.mark.skipif(not torch.set_flush_denormal(False), reason="this processor cannot flush denormals")


@pytest.fixture
def unflushed():
    yield
    torch.set_flush_denormal(False)
    torch.set_default_dtype(torch.float32)


@flushes
def test_the_calling_thread_takes_denormals_for_zero_in_training_and_is_then_as_before(monkeypatch, unflushed):
    seen, epoch = [], train._one_epoch
    monkeypatch.setattr(train, "_one_epoch", lambda *a: seen.append(float((SMALL * 1e-9).max())) or epoch(*a))
    fit("classic", recipe=recipe("classic", epochs=2))
    assert seen == [0, 0] and (SMALL * 1e-9 > 0).all()
    with pytest.raises(KeyboardInterrupt), train.denormals_as_zero():
        raise KeyboardInterrupt
    assert (SMALL * 1e-9 > 0).all()
    torch.set_flush_denormal(True)
    torch.set_default_dtype(torch.float64)
    with train.denormals_as_zero():
        pass
    assert (SMALL * 1e-9 == 0).all(), "as it was"


@flushes
def test_denormals_as_zero_train_the_same_network(monkeypatch):
    """Weights that nothing uses have faded below the normal numbers; nothing else differs."""

    def trained():
        network = models.build("classic", "digits", 8, seed=0)
        with torch.no_grad():
            network.encoder[1].weight[:, unused] = 1e-39
        losses = [record["loss"] for record in train.fit(network, FEW, recipe("classic"))]
        return losses, dict(network.named_parameters())

    unused = int(FEW.batch(slice(None)).flatten(1).sum(0).argmin())
    assert not FEW.batch(slice(None)).flatten(1)[:, unused].any(), "a pixel that is always black"
    flushed, ours = trained()
    monkeypatch.setattr(train, "denormals_as_zero", contextlib.nullcontext)
    kept, theirs = trained()
    assert flushed == kept
    assert not ours["encoder.1.weight"][:, unused].any() and theirs["encoder.1.weight"][:, unused].all()
    assert all(torch.allclose(ours[name], theirs[name], rtol=0, atol=1e-38) for name in ours)


@flushes
@pytest.mark.parametrize("later", [2, 3])
def test_torchs_other_threads_take_denormals_for_zero_too(later):
    """Those that are there when the module is imported, and those that come later."""
    script = """
        import sys
        import torch
        from innae_utils import train
        small = torch.full((4_000_000,), 1e-30)
        torch.set_num_threads(int(sys.argv[1]))
        with train.denormals_as_zero():
            print((small * 1e-9 != 0).sum().item())
    """
    line = [sys.executable, "-c", textwrap.dedent(script), str(later)]
    run = subprocess.run(line, capture_output=True, text=True, check=True, env={**os.environ, "OMP_NUM_THREADS": "2"})
    assert run.stdout == "0\n"


def test_the_record_of_an_epoch():
    _, history = fit("inn")
    assert [record["epoch"] for record in history] == [1, 2, 3, 4]
    for record in history:
        assert record["loss"] == pytest.approx(record["reconstruction"] + record["zero_padding"], rel=1e-5)
    assert history[-1]["loss"] < history[0]["loss"]


def test_evaluate_counts_every_image_whatever_the_batch():
    network, _ = fit("inn")
    with torch.no_grad():
        x = FEW.batch(slice(None))
        expected = float((x - network.eval()(x)).abs().double().mean())
    for batch_size in (7, 64, 200, 1000):
        assert train.evaluate(network, FEW, batch_size) == pytest.approx(expected, rel=1e-6)


def test_evaluation_is_float32_even_after_training_in_bf16_and_keeps_the_mode():
    network, _ = fit("inn", precision="bf16")
    assert network.training
    before = train.evaluate(network, FEW)
    assert network.training
    models_float32 = models.build("inn", "digits", 8)
    models_float32.load_state_dict(network.state_dict())
    assert train.evaluate(models_float32, FEW) == before
    network.eval()
    y, z = network.transform(FEW.batch(slice(0, 20)))
    assert (network.inverse(y, z) - FEW.batch(slice(0, 20))).abs().max() < 1e-5


@pytest.mark.parametrize(("model", "layer"), [("inn", torch.nn.Conv2d), ("classic", torch.nn.Linear)])
def test_the_layers_compute_in_the_precision_of_the_training(model, layer):
    seen = []
    network = models.build(model, "digits", 8, seed=0).train()
    for module in network.modules():
        if isinstance(module, layer):
            module.register_forward_hook(lambda module, given, out: seen.append(out.dtype))
    for precision, dtype in (("bf16", torch.bfloat16), ("fp32", torch.float32)):
        train.set_training(network, precision)
        assert network(FEW.batch(slice(0, 8))).dtype == torch.float32
        assert set(seen) == {dtype}
        seen.clear()


def test_bf16_trains_the_subnetworks_only():
    network = models.build("inn", "digits", 8, seed=0)
    train.set_training(network, "bf16")
    x = FEW.batch(slice(0, 16))
    y, z = network.train().transform(x)
    assert y.dtype == z.dtype == network.decode(y).dtype == torch.float32
    assert (network.inverse(y, z) - x).abs().max() < 1e-5, "at the identity no subnetwork matters: all else is float32"


def test_an_interrupted_run_goes_on_and_ends_the_same(tmp_path):
    whole, history = fit("inn")
    checkpoint = tmp_path / "checkpoint.pt"
    network = models.build("inn", "digits", 8, seed=0)
    part = train.fit(network, FEW, recipe(), checkpoint=checkpoint, identity="a")
    first = [next(part), next(part)]
    part.close()
    again = models.build("inn", "digits", 8, seed=99)  # the checkpoint decides, not what it started from
    resumed = list(train.fit(again, FEW, recipe(), checkpoint=checkpoint, identity="a"))
    assert resumed[:2] == first, "the epochs of the checkpoint are told again, with their own seconds"
    assert losses_of(resumed) == losses_of(history)
    assert same_weights(whole, again)


def test_a_checkpoint_of_another_run_is_not_gone_on_from(tmp_path):
    checkpoint = tmp_path / "checkpoint.pt"
    fit("inn", seed=5, checkpoint=checkpoint, identity="another")
    _, history = fit("inn", checkpoint=checkpoint, identity="this")
    assert losses_of(history) == losses_of(fit("inn")[1])


def test_a_damaged_checkpoint_is_an_error_that_names_it(tmp_path):
    checkpoint = tmp_path / "checkpoint.pt"
    checkpoint.write_bytes(b"half a checkpoint")
    with pytest.raises(TrainingError, match=r"checkpoint\.pt cannot be read .*delete it to start afresh"):
        fit("inn", checkpoint=checkpoint)


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path):
    checkpoint = tmp_path / "checkpoint.pt"
    with pytest.raises(TrainingError, match=r"not finite in epoch 1 .*smaller learning rate"):
        fit("inn", recipe=recipe(lr=1e30), checkpoint=checkpoint)
    assert not checkpoint.exists()


def test_weights_that_give_no_number_give_no_l1():
    network = models.build("classic", "digits", 8)
    torch.nn.init.constant_(network.decoder[0].weight, float("nan"))
    with pytest.raises(TrainingError, match="not finite"):
        train.evaluate(network, FEW)


@pytest.mark.parametrize("model", ["inn", "inn_vae", "classic_vae"])
def test_a_killed_process_goes_on_and_ends_with_the_very_numbers(tmp_path, model):
    """kill -9 in the middle of an epoch, in a process of its own."""
    script = tmp_path / "job.py"
    script.write_text(
        textwrap.dedent("""
        import os, signal, sys
        from pathlib import Path
        import torch
        from innae_utils import data, models, settings, train
        torch.set_num_threads(1)
        images = data.load("digits", "train", limit=200)
        network = models.build(sys.argv[3], "digits", 8, seed=0)
        die_at = int(sys.argv[2])
        steps = 0
        step = torch.optim.Adam.step
        def counted(self, *a):
            global steps
            steps += 1
            if steps == die_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return step(self, *a)
        torch.optim.Adam.step = counted
        recipe = settings.find_recipe("digits", sys.argv[3], "paper").scaled(4)
        for record in train.fit(network, images, recipe, checkpoint=Path(sys.argv[1]), identity="x"):
            print(record["epoch"], record["lr"], record["loss"].hex())
        print(train.evaluate(network, images).hex())
        """)
    )

    def job(name, die_at):
        command = [sys.executable, str(script), str(tmp_path / name), str(die_at), model]
        return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})

    unbroken = job("unbroken.pt", -1)
    assert unbroken.returncode == 0, unbroken.stderr
    each = 200 // settings.find_recipe("digits", model, "paper").batch_size
    killed = job("broken.pt", 2 * each + 2)  # in the third epoch
    assert killed.returncode == -signal.SIGKILL
    assert job("broken.pt", -1).stdout == unbroken.stdout


def test_devices_that_are_not_there_are_refused():
    assert train.pick_device("cpu").type == "cpu"
    if not torch.cuda.is_available():
        with pytest.raises(TrainingError, match="device 'cuda' is not there; allowed here: cpu"):
            train.pick_device("cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("model", ["inn", "classic"])
def test_a_gpu_gives_what_the_cpu_gives(model):
    network, history = fit(model)
    on_gpu = models.build(model, "digits", 8, seed=0).cuda()
    records = list(train.fit(on_gpu, FEW.to("cuda"), recipe(model)))
    assert records[-1]["loss"] == pytest.approx(history[-1]["loss"], rel=0.05)
    x = FEW.batch(slice(0, 50))
    with torch.no_grad(), train.strict_float32(torch.device("cuda")):
        network.load_state_dict(on_gpu.state_dict())
        assert (network.eval()(x) - on_gpu.eval()(x.cuda()).cpu()).abs().max() < 1e-4
    assert train.evaluate(on_gpu, FEW.to("cuda")) == pytest.approx(train.evaluate(network, FEW), rel=1e-4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("model", ["inn", "classic", "inn_vae"])
def test_a_step_that_a_gpu_replays_is_the_step(model, precision, monkeypatch):
    """Learning rates that fall, a last batch that is smaller: every epoch's losses as kernel by kernel."""
    plan = recipe(model, epochs=12, batch_size=32, milestones=(2, 5), drop_last=False)
    images, full = FEW.to("cuda"), len(FEW) // 32
    assert len(images) % 32

    def losses_by_epoch():
        network = models.build(model, "digits", 8, seed=0).cuda()
        return losses_of(train.fit(network, images, plan, precision=precision)), network

    replays, optimizers = [], []
    replay, make = torch.cuda.CUDAGraph.replay, train.make_optimizer
    monkeypatch.setattr(train, "make_optimizer", lambda *a: optimizers.append(make(*a)) or optimizers[-1])
    monkeypatch.setattr(torch.cuda.CUDAGraph, "replay", lambda graph: (replays.append(graph), replay(graph)))
    recorded, one = losses_by_epoch()
    if model == "inn_vae":
        assert not replays, "it draws its noise on the CPU"
    else:
        assert len(replays) == 12 * full - train.WARM_UP and len({*map(id, replays)}) == 3, "one record a learning rate"
    monkeypatch.setattr(train, "stepper", lambda *a: lambda x, generator: train.step(a[0], x, *a[1:], generator))
    plain, other = losses_by_epoch()
    for optimizer in optimizers:  # Adam counts on the GPU, so replays count too
        taken = {int(state["step"]) for state in optimizer.state.values()}
        assert taken == {12 * (full + 1)}, "every batch is one step, recorded or not"
    for ours, theirs in zip(recorded, plain, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-2 if precision == "fp32" else 3e-2)
    x = images.batch(slice(0, 50))
    with torch.no_grad():
        assert (one.eval()(x) - other.eval()(x)).abs().mean() < (5e-3 if precision == "fp32" else 2e-2)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize(
    ("model", "recompute", "changes"),
    [("inn", False, {}), ("classic", False, {}), ("inn", True, {}), ("inn_vae", False, {}), ("classic_vae", False, {}),
     ("inn", False, {"weight_mmd": 1.0})],
)  # fmt: skip
def test_a_gpu_records_what_is_the_same_at_every_step_alone(device, model, recompute, changes, monkeypatch):
    network = models.build(model, "digits", 8, seed=0)
    train.set_training(network, recompute=recompute)
    monkeypatch.setattr(train, "RecordedStep", lambda *asked: "recorded")
    there = types.SimpleNamespace(device=torch.device(device))
    monkeypatch.setattr(network, "parameters", lambda: iter([there]))
    same = device == "cuda" and model in ("inn", "classic") and not recompute and not changes
    plan = recipe("inn_vae" if changes else model, **changes)
    assert (train.stepper(network, plan, None) == "recorded") == same


def test_a_gpu_without_memory_says_what_to_do(monkeypatch, tmp_path):
    done = []

    def step(model, x, recipe, optimizer, generator=None):
        done.append(len(x))
        if len(done) > 13:  # in the third epoch
            try:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total [...]")
            finally:
                raise RuntimeError(
                    "operation failed due to a previous error during capture"
                )  # what a recording ends with
        return {"loss": torch.tensor(1.0)}

    monkeypatch.setattr(train, "step", step)
    kept = tmp_path / "c.pt"
    said = r"the GPU's memory does not hold a training step \(epoch 3\): CUDA out of memory\. Try fewer"
    with pytest.raises(train.GpuMemoryError, match=said):
        fit(checkpoint=kept, identity="x")
    assert len(torch.load(kept, weights_only=True)["history"]) == 2, "what is done is kept"


def test_other_errors_of_a_step_are_left_as_they_are(monkeypatch):
    def step(*asked):
        raise RuntimeError("something else")

    monkeypatch.setattr(train, "step", step)
    with pytest.raises(RuntimeError, match="^something else$"):
        fit()


@pytest.mark.parametrize(
    ("sizes", "replays"), [([4, 4, 4, 2], 9), ([4, 4, 4, 4, 4], 17), ([2, 2, 2, 2, 4, 4, 4], 12), ([4, 2], 2)]
)
def test_a_recorded_step_takes_every_batch_once_at_its_learning_rate(sizes, replays, monkeypatch):
    """CUDA played by hand: what is recorded reads its batch again at each replay, and its learning rate never."""
    done, graphs, tried = [], [], set()
    network = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(network.parameters(), lr=1.0)

    class Graph:
        def __init__(self):
            self.body = None

        def replay(self):
            self.body()

    @contextlib.contextmanager
    def graph(one):
        graphs.append(one)
        yield
        graphs.append(None)

    def step(model, x, recipe, optimizer):
        rate = optimizer.param_groups[0]["lr"]
        if graphs and graphs[-1]:
            assert len(x) in tried, "only what has run before may be recorded"
            graphs[-1].body = lambda: done.append((x.tolist(), rate, "replayed"))
        else:
            tried.add(len(x))
            done.append((x.tolist(), rate, "as it is"))
        return {}

    streams = types.SimpleNamespace(wait_stream=lambda other: None)
    for name in ("device", "stream"):
        monkeypatch.setattr(torch.cuda, name, lambda one: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: streams)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: streams)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", graph)
    monkeypatch.setattr(train, "step", step)
    one_step, given = train.RecordedStep(network, None, optimizer), []
    for rate in (1.0, 1.0, 0.1, 0.01):  # an epoch each
        optimizer.param_groups[0]["lr"] = rate
        for size in sizes:
            x = torch.rand(size)
            given.append((x.tolist(), rate))
            one_step(x)
    assert [each[:2] for each in done] == given
    assert [kind for *_, kind in done].count("replayed") == replays


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("began", ["cuda", "cpu"])
def test_a_gpu_goes_on_from_a_checkpoint(began, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "SAVE_EVERY", 0.0)
    kept = {"checkpoint": tmp_path / "c.pt", "identity": "x"}

    def training(seed, device, **arguments):
        return train.fit(models.build("inn", "digits", 8, seed).to(device), FEW.to(device), recipe(), **arguments)

    whole = losses_of(training(0, "cuda"))
    part = training(0, began, **kept)
    first = [next(part), next(part)]
    part.close()
    resumed = list(training(99, "cuda", **kept))
    assert resumed[:2] == first
    for ours, theirs in zip(losses_of(resumed), whole, strict=True):
        assert ours == pytest.approx(theirs, rel=0.05)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("model", ["inn", "classic"])
def test_recomputing_activations_changes_no_number(model, precision):
    (one, first), (two, second) = (fit(model, recompute=recompute, precision=precision) for recompute in (False, True))
    assert losses_of(first) == losses_of(second)
    assert same_weights(one, two)


def test_recomputing_keeps_fewer_numbers_for_the_backward_pass():
    kept = {}
    for recompute in (False, True):
        network = models.build("inn", "mnist", 8, seed=0).train()
        train.set_training(network, recompute=recompute)
        sizes = {}

        def count(tensor, sizes=sizes):
            sizes[tensor.data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            losses.terms(network, torch.rand(8, 1, 28, 28))
        kept[recompute] = sum(sizes.values())
    assert kept[True] < kept[False] / 3


CASES = [("digits", "inn"), ("mnist", "inn"), ("mnist", "classic")]


@pytest.mark.parametrize(("dataset", "model"), CASES)
def test_gradients_of_one_bf16_step_against_float64(dataset, model):
    """bfloat16 keeps 8 bits: a relative error of 2^-8 at each rounding, 3 layers deep, twice through 4 couplings."""
    ours, truth = gradients(dataset, model, "bf16"), gradients(dataset, model, "float64")
    assert 1e-4 * truth.norm() < (ours - truth).norm() < 0.1 * truth.norm(), "less would be no bfloat16"
    assert torch.nn.functional.cosine_similarity(ours, truth, dim=0) > 0.995


@pytest.mark.parametrize(("dataset", "model"), CASES)
def test_gradients_of_one_float32_step_against_float64(dataset, model):
    ours, truth = gradients(dataset, model, "fp32"), gradients(dataset, model, "float64")
    assert (ours - truth).norm() < 1e-4 * truth.norm()


def gradients(dataset, model, precision):
    """All gradients of one step at random weights, as one float64 vector."""
    torch.manual_seed(0)
    network = models.build(model, dataset, 8)
    for parameter in network.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.05)
    network, x = network.train(), torch.rand(8, *settings.spec_of(dataset, model).shape)
    if precision == "float64":
        network, x = network.double(), x.double()
    train.set_training(network, "bf16" if precision == "bf16" else "fp32")
    losses.total(losses.terms(network, x), recipe()).backward()
    return torch.cat([p.grad.flatten().double() for p in network.parameters() if p.requires_grad])


@pytest.mark.parametrize(("side", "device", "asked", "threads"), [
    (8, "cpu", None, 1), (28, "cpu", None, 2), (8, "meta", None, 2), (8, "cpu", "2", 2),
])  # fmt: skip
def test_small_images_get_one_thread_unless_more_are_asked_for(monkeypatch, side, device, asked, threads):
    images = data.Images(torch.zeros(1, 1, side, side, dtype=torch.uint8), device=device)
    monkeypatch.delenv("OMP_NUM_THREADS")
    if asked:
        monkeypatch.setenv("OMP_NUM_THREADS", asked)
    before = torch.get_num_threads()
    monkeypatch.setattr(train, "THREADS", 2)
    torch.set_num_threads(2)
    try:
        assert train.pick_threads(images) == torch.get_num_threads() == threads
        train.pick_threads(data.Images(torch.zeros(1, 1, 28, 28, dtype=torch.uint8)))
        assert torch.get_num_threads() == 2, "as many as before, for larger ones"
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("able", "side", "device", "picked"),
    [
        ({"avx512_bf16": True}, 28, "cpu", "bf16"),
        ({"amx_bf16": True, "avx512_bf16": False}, 28, "cpu", "bf16"),
        ({"avx512_bf16": True}, 8, "cpu", "fp32"),
        ({"avx512_f": True, "avx512_bf16": False}, 28, "cpu", "fp32"),
        ({}, 28, "cpu", "fp32"),
        ({"avx512_bf16": True}, 28, "meta", "fp32"),
    ],
)
def test_auto_precision_is_bf16_on_a_cpu_that_has_it_from_mnists_size(monkeypatch, able, side, device, picked):
    images = data.Images(torch.zeros(1, 1, side, side, dtype=torch.uint8), device=device)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able, raising=False)
    assert train.pick_precision("auto", images) == picked
    assert train.pick_precision("fp32", images) == "fp32"
    emulated = device == "cpu" and not {"avx512_bf16", "amx_bf16"} & {name for name, there in able.items() if there}
    with pytest.warns(match="eleven times as long") if emulated else contextlib.nullcontext():
        assert train.pick_precision("bf16", images) == "bf16"
