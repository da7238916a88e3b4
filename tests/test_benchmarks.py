"""The baseline is the package's own model; the published tables are those of the published measurements."""

import json

import baseline
import bench
import pytest
import sameness
import torch

from innae_utils import data, losses, models, settings, train

FOLDER = settings.PROJECT / "benchmarks"


@pytest.mark.parametrize(("dataset", "model"), [("digits", "inn"), ("mnist", "inn"), ("mnist", "classic")])
def test_the_baseline_has_our_weights_outputs_and_gradients(dataset, model):
    plain, ours = baseline.build(model, dataset, 8, seed=0).double(), models.build(model, dataset, 8, seed=0).double()
    pairs = list(zip(trainable(plain), trainable(ours), strict=True))
    for one, other in pairs:  # away from the identity
        torch.nn.init.normal_(one, std=0.05)
        other.data.copy_(one.data)
    x = torch.rand(2, *settings.MODELS[dataset][model].shape, dtype=torch.float64)
    before = x.clone()
    assert (plain(x) - ours(x)).abs().max() < 1e-12
    sum(losses.terms(plain, x).values()).backward()
    sum(losses.terms(ours, x).values()).backward()
    assert all(torch.allclose(one.grad, other.grad, atol=1e-12) for one, other in pairs)
    assert torch.equal(x, before)


def trainable(model):
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def test_one_step_of_the_baseline_is_one_of_ours():
    recipe = settings.find_recipe("digits", "inn", "paper")
    plain, ours = baseline.build("inn", "digits", 8, 0).double(), models.build("inn", "digits", 8, seed=0).double()
    for one, other in zip(trainable(plain), trainable(ours), strict=True):
        torch.nn.init.normal_(one, std=0.05)
        other.data.copy_(one.data)
    x = torch.rand(16, 1, 8, 8, dtype=torch.float64)
    loss = baseline.step(plain, x, baseline.optimizer(plain, recipe))
    our_loss = train.step(ours, x, recipe, train.make_optimizer(ours, recipe))["loss"]
    assert loss == pytest.approx(float(our_loss), rel=1e-12)
    for one, other in zip(trainable(plain), trainable(ours), strict=True):
        assert torch.allclose(one, other, atol=1e-10)


def test_the_baselines_loader_gives_the_same_pixels():
    pixels = torch.randint(0, 256, (8, 3, 4, 4), dtype=torch.uint8)
    pixels[:, 0, 0, 0] = torch.arange(8)  # all different, to put the shuffled ones back into order
    (batch,) = baseline.loader(pixels, 8)
    ours = data.Images(pixels).batch(slice(None))
    assert torch.allclose(batch[batch[:, 0, 0, 0].argsort()], ours[ours[:, 0, 0, 0].argsort()], atol=1e-7)


def test_processes_that_train_at_once_each_tell_their_rate():
    options = bench.parse(["--device", "cpu"])
    rates = bench.rates_of(2, 1, "mnist-classic", options, seconds=0.5)
    assert len(rates) == 2 and min(rates) >= 128 / 30, "a step takes no half minute"


def test_runs_side_by_side_share_the_threads_and_are_compared_in_their_own_round(monkeypatch):
    asked = []

    def rates(n, threads, case, options):
        asked.append((n, threads))
        return [10.0 * len(asked)] * n

    monkeypatch.setattr(bench, "rates_of", rates)
    options = bench.parse(["--threads", "6", "--device", "cpu"])
    one, two = bench.side_by_side(["mnist-inn"], torch.device("cpu"), options, rounds=3)
    assert asked == [(1, 6), (2, 3)] * 3
    assert (one["runs"], two["runs"], two["threads"], one["ratio"]["median"]) == (1, 2, 3, 1.0)
    assert two["images_a_second"]["median"] == 2 * 40 and two["ratio"]["median"] == 2 * 40 / 30


def test_a_process_that_cannot_train_ends_the_measurement_and_the_others():
    options = bench.parse(["--device", "cpu", "--precision", "fp32"])
    with pytest.raises(SystemExit, match="1 of 1 processes that train no-case at once ended"):
        bench.rates_of(1, 1, "no-case", options, seconds=0.1)


def test_the_verdict_of_sameness():
    found = [{"baseline": 0.10, "ours": 0.11}, {"baseline": 0.12, "ours": 0.10}, {"baseline": 0.11, "ours": 0.13}]
    one = sameness.row("inn", 12, 100, found)
    assert one["largest_difference"] == pytest.approx(0.02)
    line = sameness.table({"schedule": "recipe", "precision": "bf16", "rows": [one]}).splitlines()[-1]
    numbers = "0.11000 (0.10000 to 0.12000), 0.01000 | 0.11333 (0.10000 to 0.13000), 0.01528"
    assert line == f"| inn | 12 | 100 | 3 | {numbers} | within | 1 | 0.02000 |"
    for ours, said in ((0.09, "below"), (0.2, "above")):
        assert sameness.where(sameness.row("inn", 12, 100, [{"baseline": 0.1, "ours": ours}] * 3)) == said


def test_the_batches_of_sameness_go_on_into_the_next_epoch():
    recipe = settings.find_recipe("digits", "inn", "paper")
    images = data.Images(torch.zeros(100, 1, 8, 8, dtype=torch.uint8))
    chosen = sameness.batches(images, recipe, seed=0, steps=7)
    assert len(chosen) == 7 and all(len(index) == recipe.batch_size for index in chosen)
    first = torch.cat(chosen[:3])
    assert len(first.unique()) == len(first) == 96, "three batches of 32 are an epoch of 100"
    assert [torch.equal(a, b) for a, b in zip(chosen[:3], chosen[3:6], strict=True)] == [False] * 3


@pytest.mark.parametrize("path", sorted((FOLDER / "results").glob("*.json")), ids=lambda path: path.stem)
def test_the_published_table_is_that_of_the_measurement(path):
    report = json.loads(path.read_text())
    readme = (FOLDER / "README.md").read_text()
    if "rows" in report:
        assert sameness.table(report) in readme
    else:
        assert bench.table(report) in readme and bench.facts(report) in readme
        assert bench.side_table(report.get("side_by_side", [])) in readme
