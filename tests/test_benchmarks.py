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


@pytest.mark.parametrize("path", sorted((FOLDER / "results").glob("*.json")), ids=lambda path: path.stem)
def test_the_published_table_is_that_of_the_measurement(path):
    report = json.loads(path.read_text())
    readme = (FOLDER / "README.md").read_text()
    if "rows" in report:
        assert sameness.table(report) in readme
    else:
        assert bench.table(report) in readme and bench.facts(report) in readme
