"""Statistics against brute force and known truths, likelihoods against sums over grey values, the panel's speed."""

import itertools
import math
import time

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import build_random, random_weights

from innae_utils import data, figures, generative, generative_figures, inn, losses, models, publishing, settings
from innae_utils.bottleneck import InvertibleAutoencoder

TEST = data.load("digits", "test")


# ---- latents ---------------------------------------------------------------------------------------------------


def test_encode_and_decode_in_parts_are_those_of_the_whole():
    model = build_random("inn_vae", "digits", 4, torch.float32)
    y = generative.encode(model, TEST, batch_size=100)
    with torch.no_grad():
        assert torch.allclose(y, model.encode(TEST.batch(slice(None))), atol=1e-5)
        assert torch.allclose(generative.decode(model, y, 100), model.decode(y).clamp(0, 1), atol=1e-5)
    assert y.shape == (360, 4)


def test_codes_of_a_vae_are_drawn_from_its_posterior_and_those_of_others_are_encoded():
    inn_vae, vae = (models.build(name, "digits", 4, seed=0).eval() for name in ("inn_vae", "classic_vae"))
    assert torch.equal(generative.codes(inn_vae, TEST), generative.encode(inn_vae, TEST))
    with torch.no_grad():
        mean, log_variance = vae.posterior(TEST.batch(slice(None)))
    noise = (generative.codes(vae, TEST) - mean) / (log_variance / 2).exp()
    assert torch.allclose(noise, generative.prior(360, 4), atol=1e-4)


def test_a_line_has_its_ends_and_its_middle():
    y_from, y_to = torch.randn(2, 3, 5)
    line = generative.interpolate(y_from, y_to, 5)
    assert line.shape == (3, 5, 5)
    assert torch.equal(line[:, 0], y_from) and torch.equal(line[:, -1], y_to)
    assert torch.allclose(line[:, 2], (y_from + y_to) / 2)


def test_a_traversal_changes_one_coordinate_to_normal_quantiles():
    y = torch.randn(4)
    grid = generative.traverse(y)
    assert grid.shape == (4, 7, 4)
    for i in range(4):
        others = [j for j in range(4) if j != i]
        assert torch.equal(grid[i][:, others], y[others].expand(7, 3))
        shares = torch.distributions.Normal(0, 1).cdf(grid[i][:, i])
        assert torch.allclose(shares, torch.tensor([0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95]), atol=1e-5)


def test_the_fitted_normal_has_the_mean_and_the_covariance_that_it_was_fitted_to():
    y = torch.randn(5000, 3) @ torch.tensor([[1.0, 0.5, 0.0], [0.0, 0.3, -0.7], [0.0, 0.0, 2.0]]) + 4
    made = generative.fitted_normal(y, 200_000)
    assert torch.allclose(made.mean(0), y.mean(0), atol=0.03)
    assert torch.allclose(torch.cov(made.T), torch.cov(y.T), atol=0.06)
    assert generative.fitted_normal(y[:, :1], 10).shape == (10, 1)


@pytest.mark.parametrize("k", [1, 4, 5, 30, 64])
def test_an_inn_decodes_from_its_first_k_numbers_whatever_it_was_built_for(k):
    model, other = build_random("inn_vae", "digits", 4), models.build("inn", "digits", k).double().eval()
    other.load_state_dict(model.state_dict())
    x = TEST.batch(slice(0, 5)).double()
    with torch.no_grad():
        latent = torch.cat(model.transform(x), 1)
        before = latent.clone()
        seen = generative.decode_first(model, latent, k)
        assert torch.allclose(seen, other(x).clamp(0, 1), atol=1e-12)
        assert torch.equal(latent, before)
        assert (k < 64) or torch.allclose(seen, x, atol=1e-10)


# ---- distances between distributions ---------------------------------------------------------------------------


def test_a_permutation_test_is_its_definition_by_a_plain_loop():
    y, samples = torch.randn(12, 3) + 0.6, torch.randn(12, 3)
    mmd, p = generative.permutation_test(y, samples, permutations=50, seed=7)
    pooled, generator = torch.cat((y, samples)).double(), torch.Generator().manual_seed(7)
    assert mmd == pytest.approx(float(losses.mmd(y.double(), samples.double())), rel=1e-12)
    reached = 0
    for _ in range(50):
        order = torch.randperm(24, generator=generator)
        reached += float(losses.mmd(pooled[order[12:]], pooled[order[:12]])) >= mmd - 1e-12
    assert p == (1 + reached) / 51


def test_a_permutation_test_of_equal_distributions_is_uniform_and_of_others_is_small():
    from scipy.stats import kstest

    ps = []
    for i in range(200):
        u, v = torch.randn(2, 20, 2, generator=torch.Generator().manual_seed(i))
        ps.append(generative.permutation_test(u, v, permutations=99, seed=i)[1])
    assert kstest(ps, "uniform").pvalue > 0.01
    shifted = torch.randn(40, 2) + 1.5
    assert generative.permutation_test(shifted, torch.randn(40, 2), permutations=99)[1] == 0.01
    with pytest.raises(ValueError, match="as many samples as points"):
        generative.permutation_test(shifted, torch.randn(39, 2))


def balls_by_hand(real, fake, nearest):
    """Precision, recall, density and coverage, point by point."""

    def distance(a, b):
        return math.dist(a, b)

    def radius(points, i):
        return sorted(distance(points[i], other) for j, other in enumerate(points) if j != i)[nearest - 1]

    in_real = [[distance(r, f) < radius(real, i) for f in fake] for i, r in enumerate(real)]
    in_fake = [[distance(r, f) < radius(fake, j) for j, f in enumerate(fake)] for r in real]
    return {
        "precision": sum(any(row[j] for row in in_real) for j in range(len(fake))) / len(fake),
        "recall": sum(any(row) for row in in_fake) / len(real),
        "density": sum(sum(row) for row in in_real) / len(fake) / nearest,
        "coverage": sum(any(row) for row in in_real) / len(real),
    }


@pytest.mark.parametrize("shift", [0.0, 1.0, 3.0])
def test_balls_are_their_definition_by_plain_loops(shift):
    rng = np.random.default_rng(3)
    real, fake = rng.normal(size=(30, 2)), rng.normal(size=(25, 2)) * 1.5 + shift
    found = generative.balls(real, fake, nearest=3)
    assert found == pytest.approx(balls_by_hand(real.tolist(), fake.tolist(), 3))
    assert 0 < found["precision"] < 1


def test_balls_know_equal_far_and_collapsed_distributions():
    rng = np.random.default_rng(0)
    real, other = rng.normal(size=(2, 1500, 8))
    equal = generative.balls(real, other)
    # Naeem et al., section 3.2: density 1, and coverage 1 - 2^-5 at 5 neighbours and many points
    assert equal["density"] == pytest.approx(1, abs=0.05)
    assert equal["coverage"] == pytest.approx(1 - 0.5**5, abs=0.02)
    assert set(generative.balls(real, other + 100).values()) == {0.0}
    collapsed = generative.balls(real, real[:1] + 1e-3 * other)
    assert collapsed["precision"] == 1.0 and collapsed["coverage"] < 0.1 and collapsed["recall"] < 0.1


def test_the_feature_space_keeps_the_variance_that_it_says():
    train = data.load("digits", "train")
    features = generative.pixel_features(train)
    x = train.batch(slice(None))
    kept = features(x).var(0).sum() / x.flatten(1).numpy().var(0).sum()
    assert 0.95 <= kept < 0.97


# ---- likelihoods -----------------------------------------------------------------------------------------------


def test_dequantised_images_lie_evenly_within_their_own_step():
    x = generative.dequantise(TEST)
    apart = (x - TEST.batch(slice(None))) * 16
    assert apart.abs().max() <= 0.5 + 1e-5
    assert abs(apart.mean()) < 0.01 and apart.var() == pytest.approx(1 / 12, rel=0.02)
    assert torch.equal(x, generative.dequantise(TEST)) and not torch.equal(x, generative.dequantise(TEST, seed=1))


def test_bits_per_dim_bound_the_code_length_of_every_image():
    """There are 81 images of 2 x 2 with 3 grey values; the density is integrated over the cell of each of them."""
    torch.manual_seed(2)
    spec = settings.InnSpec((1, 2, 2), ((8,),), 8)
    model = random_weights(InvertibleAutoencoder(inn.build(spec), spec.shape, 2), scale=0.3).double().eval()
    every = torch.tensor(list(itertools.product(range(3), repeat=4)), dtype=torch.uint8).reshape(81, 1, 2, 2)
    images = data.Images(every, max_value=2)
    points = (torch.arange(12) + 0.5) / 12 - 0.5  # a grid within each step, to integrate the density over a cell
    offsets = torch.cartesian_prod(*[points.double()] * 4).reshape(-1, 1, 2, 2) / 2
    with torch.no_grad():
        density = torch.stack([model.log_prob(image / 2 + offsets, 0.8).exp().mean() for image in every.double()])
    mass = density * 0.5**4
    assert float(mass.sum()) < 1  # the rest lies outside of the grey values
    wide = data.Images(every, max_value=2)
    bound = []
    for seed in range(200):
        x = generative.dequantise(wide, seed).double()
        with torch.no_grad():
            bound.append(generative.bits_per_dim(model.log_prob(x, 0.8), 4, 2))
    bound = torch.stack(bound)
    exact, mean, noise = -mass.log2() / 4, bound.mean(0), bound.std(0) / 200**0.5
    assert torch.all(mean > exact - 5 * noise), "an upper bound"
    assert (mean - exact).abs().max() < 1.0 and exact.std() > 0.1
    drawn = generative.log_prob(model.float(), images, 0.8, draws=200).double()
    assert torch.allclose(generative.bits_per_dim(drawn, 4, 2), mean, atol=1e-4)


def test_the_spread_of_z_is_its_likeliest_width():
    model = build_random("inn_vae", "digits", 4, torch.float32)
    spread = generative.z_spread(model, TEST)
    assert spread.shape == (60,)
    one = float(spread.square().mean().sqrt())
    at = {f: float(generative.log_prob(model, TEST, f * one, draws=1).mean()) for f in (0.9, 1.0, 1.1)}
    assert at[1.0] > max(at[0.9], at[1.1])
    assert float(generative.log_prob(model, TEST, spread, draws=1).mean()) > at[1.0]


def test_log_prob_for_many_widths_is_that_for_each():
    model = build_random("inn_vae", "digits", 4, torch.float32)
    few, widths = data.Images(TEST.pixels[:70], 16), [0.05, 0.3, 2.0]
    each = [float(generative.log_prob(model, few, width, draws=1).double().mean()) for width in widths]
    assert generative.log_prob_by_width(model, few, widths).tolist() == pytest.approx(each, rel=1e-5)


def test_other_kinds_are_what_their_names_say():
    kinds = generative.other_kinds(TEST)
    assert set(kinds) == {"photographs", "negatives", "noise", "blank", "turned", "faint", "blends"}
    for kind in kinds.values():
        assert kind.pixels.shape == TEST.pixels.shape and kind.max_value == 16 and int(kind.pixels.max()) <= 16
    assert torch.equal(kinds["negatives"].pixels + TEST.pixels, torch.full_like(TEST.pixels, 16))
    assert torch.equal(kinds["turned"].pixels[:, 0, 7 - 2, 3], TEST.pixels[:, 0, 3, 2])
    assert int(kinds["faint"].pixels.max()) == 8 and torch.equal(kinds["faint"].pixels, TEST.pixels // 2)
    both = (TEST.pixels[5].float() + TEST.pixels[4].float()) / 2
    assert (kinds["blends"].pixels[5] - both).abs().max() <= 0.5
    flat = {name: kind.pixels.flatten(1).float() for name, kind in kinds.items()}
    assert torch.all(flat["blank"].std(1) == 0) and flat["blank"][:, 0].unique().numel() == 17
    assert abs(float(torch.corrcoef(flat["noise"].T)[0, 1])) < 0.2
    assert float(torch.corrcoef(flat["photographs"].T)[27, 28]) > 0.8, "neighbours in a photograph are alike"
    assert len(flat["photographs"].unique(dim=0)) > 300
    colour = data.Images(torch.zeros(4, 3, 32, 32, dtype=torch.uint8))
    photographs = generative.other_kinds(colour)["photographs"]
    assert photographs.shape == (3, 32, 32)
    assert (photographs.pixels[:, 0].int() - photographs.pixels[:, 2].int()).abs().float().mean() > 5, "in colour"


def test_roc_counts_pairs():
    inside, outside = torch.tensor([3.0, 2.0, 5.0]), torch.tensor([1.0, 2.0, 4.0, 0.0])
    false_alarms, hits, area = generative.roc(inside, outside)
    pairs = [(a > b) + 0.5 * (a == b) for a in inside.tolist() for b in outside.tolist()]
    assert area == pytest.approx(sum(pairs) / 12)
    assert np.trapezoid(hits, false_alarms) == pytest.approx(area)


# ---- pictures --------------------------------------------------------------------------------------------------


def test_a_sheet_has_every_image_in_its_place_and_white_between():
    images = np.random.default_rng(0).random((2, 3, 1, 4, 5))
    picture = generative_figures.sheet(images)
    assert picture.shape == (2 * 4 + 1, 3 * 5 + 2)
    for row, column in itertools.product(range(2), range(3)):
        part = picture[row * 5 : row * 5 + 4, column * 6 : column * 6 + 5]
        assert np.array_equal(part, images[row, column, 0])
    assert np.all(picture[4] == 1) and np.all(picture[:, [5, 11]] == 1)
    assert generative_figures.sheet(np.zeros((2, 3, 3, 4, 5))).shape == (9, 17, 3)


def test_the_labels_of_a_grid_stand_beside_their_images():
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots()
    generative_figures.show(axes, np.zeros((2, 3, 1, 8, 8)), ["a", "b"], ["1", "2", "3"])
    assert axes.get_yticks().tolist() == [3.5, 12.5] and axes.get_xticks().tolist() == [3.5, 12.5, 21.5]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    plt.close(figure)


# ---- tables ----------------------------------------------------------------------------------------------------


def test_a_table_has_means_over_the_seeds_and_marks_what_is_missing():
    rows = [("a", 0, "MMD", 1.0), ("a", 1, "MMD", 2.0), ("b", 0, "area, noise", 0.25), ("c", 0, "p", 1.0)]
    numbers = pd.DataFrame(rows, columns=["model", "seed", "measure", "value"])
    assert generative.markdown(numbers, ("area, noise", "MMD")).splitlines() == [
        "|  | noise | MMD |", "| --- | --- | --- |", "| a | - | 1.500 |", "| b | 0.250 | - |",
    ]  # fmt: skip


@pytest.mark.parametrize("dataset", ["digits", "mnist"])
def test_the_tables_are_those_of_the_published_numbers(dataset):
    numbers = pd.read_csv(settings.PROJECT / "figures" / dataset / "inn_vae_numbers.csv")
    told = (settings.PROJECT / "results" / "variational.md").read_text()
    assert generative.markdown(numbers, generative.SAMPLES) in told
    areas = tuple(name for name in numbers["measure"].unique() if name.startswith("area, "))
    assert generative.markdown(numbers, areas) in told
    seeds = {"digits": set(settings.DATASETS["digits"].seeds), "mnist": {2}}
    assert set(numbers["seed"]) == seeds[dataset]
    rows = figures.with_curves(publishing.published().query("dataset == @dataset")).drop(columns="model")
    of_table = numbers[numbers["measure"] == "test L1"].rename(columns={"model": "curve"})
    both = of_table.merge(rows, on=["curve", "bottleneck", "seed"], validate="1:1")
    assert len(both) == len(of_table) > 0
    apart = (both["value"] / both["test_l1"] - 1).abs()  # digits' VAE was run again, on another machine
    assert apart.max() < (0.05 if dataset == "digits" else 1e-4) and (apart < 5e-3).mean() >= 0.75
    found = numbers.set_index(["model", "measure"])["value"]
    low, high = (found["INN VAE", name] for name in ("smallest std", "largest std"))
    recalls = [found[f"classic {name}, late decay", "recall"] for name in ("VAE", "MMD")]
    if dataset == "mnist":
        assert f"go from {low:.2f} to {high:.2f}" in " ".join(told.split())
        assert f"a recall of {recalls[0]:.2f} and {recalls[1]:.2f}" in " ".join(told.split())
        assert all(
            found[f"classic {name}, late decay", "test L1"] > 2 * found["INN VAE", "test L1"] for name in ("VAE", "MMD")
        )


# ---- the panel -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dataset", ["digits", "mnist"])
def test_the_panel_follows_its_sliders_within_100_ms(dataset):
    from innae_utils.panel import Panel, as_png

    shape = settings.DATASETS[dataset].shape
    images = data.Images(torch.randint(0, 256, (5, *shape), dtype=torch.uint8))
    model = build_random("inn_vae", dataset, 12, torch.float32)
    panel = Panel(model, images)
    assert len(panel.y) == 8 and panel.kept.max == model.dim

    def expected(number, k, **moved):
        with torch.no_grad():
            latent = torch.cat(model.transform(images.batch(slice(number, number + 1))), 1)
        for name, value in moved.items():
            latent[0, int(name[1:]) - 1] = value
        return as_png(generative.decode_first(model, latent, k)[0])

    assert panel.picture.value == expected(0, 12)
    assert panel.original.value == as_png(images.batch(slice(0, 1))[0])
    assert "application/vnd.jupyter.widget-view+json" in panel._repr_mimebundle_(), "JupyterLab shows it"
    panel.y[2].value = 1.5
    assert panel.picture.value == expected(0, 12, y3=1.5) != expected(0, 12)
    panel.kept.value = model.dim
    assert panel.picture.value == expected(0, model.dim, y3=1.5)
    panel.number.value = 3
    assert panel.picture.value == expected(3, model.dim) and panel.picture.value == panel.original.value
    seconds = []
    for value in np.linspace(-3, 3, 25):
        started = time.process_time()  # other work on the machine does not count
        panel.y[0].value = value
        seconds.append(time.process_time() - started)
    assert sorted(seconds)[len(seconds) // 2] < 0.1


def test_jupyterlab_is_told_from_papermill(monkeypatch):
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    assert not generative.in_jupyterlab()
    monkeypatch.setenv("JPY_SESSION_NAME", "notebook.ipynb")
    assert generative.in_jupyterlab()
