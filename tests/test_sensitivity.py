import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import NOTEBOOKS, build_random, papermill

from innae_utils import data, inn, models, parameters, publishing, sensitivity, settings, study_figures, train
from innae_utils.bottleneck import InvertibleAutoencoder
from innae_utils.results import ResultError
from innae_utils.settings import ParameterError, find_recipe

GIVEN = {
    "dataset": "digits", "model": "classic", "bottleneck": 4, "seed": 0, "preset": "quick", "epochs": 0, "changes": "",
    "data_root": "", "device": "cpu", "precision": "auto",
}  # fmt: skip
OF_CLASSIC = sensitivity.changes_of("classic")


def plan(tmp_path, **changes):
    return sensitivity.check_plan({**GIVEN, "runs": str(tmp_path), **changes})


@pytest.fixture(scope="module")
def images():
    return {"train": data.load("digits", "train", limit=160), "test": data.load("digits", "test", limit=20)}


def test_the_notebook_declares_the_parameters_that_are_checked():
    assert parameters.declared_parameters(NOTEBOOKS / "24_what_moves_it.ipynb") == sensitivity.PARAMETERS


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"dataset": "minst"}, "allowed: digits, mnist, cifar10"),
        ({"model": "classic_deep"}, "allowed: inn, classic"),
        ({"dataset": "images"}, "'images' has no printed recipe"),
        ({"bottleneck": 65}, "allowed: 1 to D = 64"),
        ({"epochs": 101}, "allowed: 0 to 100"),
        ({"epochs": 1.5}, "1.5 is a float"),
        ({"runs": 3}, "allowed: a string"),
        ({"changes": 3}, "changes: 3 is a int; allowed: a string"),
        (
            {"changes": "batch x 2, batch x 3"},
            "changes: 'batch x 3' is not known for classic; allowed: as it is, weight",
        ),
        ({"model": "inn", "changes": "ReLU on the bottleneck"}, "is not known for inn"),
        ({"epoch": 3}, "24_what_moves_it has no parameter 'epoch'"),
    ],
)
def test_a_wrong_parameter_is_refused(tmp_path, changes, said):
    with pytest.raises(ParameterError) as caught:
        plan(tmp_path, **changes)
    assert said in str(caught.value)


def test_epochs_0_is_up_to_the_second_fall():
    whole = {**GIVEN, "runs": "", "preset": "full"}
    found = {
        place: sensitivity.check_plan({**whole, **dict(zip(("dataset", "model"), place, strict=True))}).epochs
        for place in (("mnist", "classic"), ("mnist", "inn"), ("cifar10", "classic"), ("celeba", "inn"))
    }
    assert list(found.values()) == [20, 10, 85, 7], "falls after 10, 20, ...; 8 of 10; 60 and 85; 6 and 7"


def test_each_change_changes_what_it_says_and_nothing_else():
    base = find_recipe("mnist", "classic", "paper")
    plain = sensitivity.changed(base, sensitivity.AS_IT_IS, 20)
    assert (plain.epochs, plain.milestones) == (20, (10,))
    fields = [name for name in vars(base) if name not in ("sources",)]
    differ = {
        change: {name: getattr(recipe, name) for name in fields if getattr(recipe, name) != getattr(plain, name)}
        for change in sensitivity.CHANGES
        for recipe in [sensitivity.changed(base, change, 20)]
    }
    assert differ == {
        "as it is": {},
        "weight decay 0": {"weight_decay": 0.0},
        "weight decay / 10": {"weight_decay": 1e-6},
        "weight decay / 2": {"weight_decay": 5e-6},
        "weight decay x 2": {"weight_decay": 2e-5},
        "weight decay x 10": {"weight_decay": 1e-4},
        "learning rate / 2": {"lr": 5e-4},
        "learning rate x 2": {"lr": 2e-3},
        "batch / 2": {"batch_size": 64},
        "batch x 2": {"batch_size": 256},
        "schedule x 1.2": {"epochs": 24, "milestones": (12,)},
        "schedule x 2": {"epochs": 40, "milestones": (20,)},
        "Adam's defaults": {},
        "the INN's Adam": {"betas": (0.8, 0.8), "eps": 1e-4},
        "torch's initialisation": {},
        "He's initialisation": {},
        "ReLU on the bottleneck": {},
        "other numbers kept": {},
        "Haar coefficients kept": {},
    }
    stretched = sensitivity.changed(base, "schedule x 2", 20)
    assert [stretched.learning_rate(epoch) for epoch in (20, 21, 40)] == [1e-3, 1e-4, 1e-4]


@pytest.mark.parametrize("dataset", ["digits", "mnist", "cifar10", "celeba"])
def test_each_family_can_have_the_adam_of_the_other(dataset):
    usual = torch.optim.Adam([torch.zeros(1)]).defaults
    recipes = {model: find_recipe(dataset, model, "paper") for model in ("inn", "classic")}
    for model, change, other in (("inn", "Adam's defaults", "classic"), ("classic", "the INN's Adam", "inn")):
        recipe = sensitivity.changed(recipes[model], change, 5)
        assert (recipe.betas, recipe.eps) == (recipes[other].betas, recipes[other].eps)
        assert recipe.lr == recipes[model].lr and recipe.weight_decay == recipes[model].weight_decay
        assert change in sensitivity.changes_of(model) and change not in sensitivity.changes_of(other)
    assert (recipes["classic"].betas, recipes["classic"].eps) == (usual["betas"], usual["eps"])


def test_torchs_initialisation_is_that_of_a_fresh_layer():
    """Against torch: the same seed, the same layers, nothing of ours in between."""
    network = models.build("classic", "digits", 4, seed=0)
    torch.manual_seed(7)
    sensitivity.initialise_as_torch(network)
    torch.manual_seed(7)
    for module in network.modules():
        if isinstance(module, torch.nn.Linear):
            fresh = torch.nn.Linear(module.in_features, module.out_features)
            assert torch.equal(module.weight, fresh.weight) and torch.equal(module.bias, fresh.bias)
    network = models.build("inn", "digits", 4, seed=0)
    haar = [p.clone() for p in network.parameters() if not p.requires_grad]
    sensitivity.initialise_as_torch(network)
    frozen = [p for p in network.parameters() if not p.requires_grad]
    assert all(map(torch.equal, haar, frozen)), "Haar's are no weights"
    last = [p for p in network.parameters() if p.requires_grad]
    assert all(p.abs().max() > 0 for p in last), "none starts at zero now"


def test_hes_initialisation_keeps_the_size_of_what_passes_layers_of_relus():
    """Equation (10) of He et al. (2015); the authors' start halves the variance from layer to layer."""
    network = models.build("classic_double_depth", "mnist", 64, seed=0)
    x = torch.randn(2000, 784)

    def sizes():
        with torch.no_grad():
            inner = [network.encoder[1:depth](x) for depth in range(2, len(network.encoder), 2)]  # before each ReLU
        return [each.pow(2).mean().item() for each in inner]

    authors = sizes()
    assert authors[-1] < authors[0] / 2**4
    biases = [module.bias.clone() for module in network.modules() if hasattr(module, "bias")]
    sensitivity.initialise_as_he(network)
    assert sizes() == pytest.approx([2.0] * 6, rel=0.5), "2: the first layer's input has a variance of 1, not 1 / 2"
    assert all(map(torch.equal, biases, [module.bias for module in network.modules() if hasattr(module, "bias")]))
    assert "He's initialisation" not in sensitivity.changes_of("inn")


@pytest.mark.parametrize(
    ("model", "dataset"), [("classic", "digits"), ("classic_deep", "mnist"), ("classic", "cifar10")]
)
def test_a_rectified_bottleneck_gives_the_same_numbers_but_for_the_negative_ones(model, dataset):
    network = models.build(model, dataset, 8, seed=0)
    x = torch.rand(16, *settings.spec_of(dataset, model).shape)
    with torch.no_grad():
        y = network.encode(x)
        sensitivity.rectify_bottleneck(network)
        assert y.min() < 0 and torch.equal(network.encode(x), y.clamp(min=0))


def test_an_inn_that_keeps_other_numbers_is_still_invertible():
    network = build_random("inn", "digits", 16)
    x = torch.rand(8, 1, 8, 8, dtype=torch.float64)
    with torch.no_grad():
        y, z = network.transform(x)
        log_det = network.log_det(x)
        sensitivity.keep_others(network)
        others, rest = network.transform(x)
        assert torch.equal(torch.cat((others, rest), 1).sort(1).values, torch.cat((y, z), 1).sort(1).values)
        assert not torch.equal(others, y)
        assert torch.allclose(network.inverse(others, rest), x, atol=1e-4)
        assert torch.equal(network.log_det(x), log_det)
        assert torch.allclose(network.inverse(others, torch.zeros_like(rest)), network.decode(others))


def test_at_first_the_inn_keeps_pixels_and_with_other_numbers_other_pixels():
    network, x = models.build("inn", "digits", 16, seed=0), torch.rand(8, 1, 8, 8)
    with torch.no_grad():
        assert torch.allclose(network.encode(x), x.flatten(1)[:, :16], atol=1e-5), "the identity: the upper two rows"
        sensitivity.keep_others(network)
        pixels = x.flatten(1)[:, network.inn.order[:16]]
        assert torch.allclose(network.encode(x), pixels, atol=1e-5) and network.inn.order[:16].max() > 16


def test_without_its_last_haar_steps_the_inn_keeps_averages_first_and_is_still_invertible():
    network, x = models.build("inn", "cifar10", 512, seed=0), torch.rand(4, 3, 32, 32)
    red = x[:, 0]
    with torch.no_grad():
        sensitivity.keep_coefficients(network)
        averages, differences = network.encode(x).chunk(2, dim=1)
        means = torch.nn.functional.avg_pool2d(red, 2).flatten(1)
        assert torch.allclose(averages, 2 * means, atol=1e-5), "of the first colour, over the whole picture"
        across = torch.nn.functional.avg_pool2d(red[:, :, ::2] - red[:, :, 1::2], (2, 1)).flatten(1)
        assert torch.allclose(differences, across, atol=1e-5), "of a left pixel and the right one beside it"
        assert torch.allclose(network.inverse(*network.transform(x)), x, atol=1e-5)
        spec = settings.InnSpec((3, 8, 8), ((4,), (4,)), 4)  # two Haar steps, as for faces
        faces, x = InvertibleAutoencoder(inn.build(spec), spec.shape, 4), x[..., :8, :8]
        sensitivity.keep_coefficients(faces)
        means = torch.nn.functional.avg_pool2d(x[:, 0], 4).flatten(1)
        assert torch.allclose(faces.encode(x), 4 * means, atol=1e-5)
        assert torch.allclose(faces.inverse(*faces.transform(x)), x, atol=1e-5)
    network = build_random("inn", "digits", 16)
    x = torch.rand(8, 1, 8, 8, dtype=torch.float64)
    with torch.no_grad():
        latent, log_det = network.inn(x)
        sensitivity.keep_coefficients(network)
        coefficients = torch.cat(network.transform(x), 1).unflatten(1, (4, 4, 4))
        blocks = torch.nn.functional.pixel_unshuffle(latent, 2)  # the four pixels of each 2 x 2
        assert torch.allclose(coefficients[:, 0], blocks.sum(1) / 2)
        assert torch.allclose(coefficients.square().sum(1), blocks.square().sum(1)), "orthonormal"
        assert torch.equal(network.log_det(x), log_det)
        assert torch.allclose(network.inverse(*network.transform(x)), x, atol=1e-4)


def test_the_unchanged_one_is_the_recipe_itself_stopped_early(tmp_path, images):
    made = plan(tmp_path)
    record = next(sensitivity.measure(made, images))
    network = models.build("classic", "digits", 4, seed=0)
    _ = list(zip(range(made.epochs), train.fit(network, images["train"], made.base), strict=False))
    assert record["change"] == "as it is" and record["epochs"] == made.epochs == 2
    assert record["test_l1"] == train.evaluate(network, images["test"])


def test_it_goes_on_where_it_stopped_and_refuses_what_was_made_otherwise(tmp_path, images, monkeypatch):
    begun = sensitivity.measure(plan(tmp_path), images)
    first = [next(begun) for _ in range(3)]
    trained = []
    really = sensitivity._train
    monkeypatch.setattr(sensitivity, "_train", lambda *given: trained.append(given[1]) or really(*given))
    every = list(sensitivity.measure(plan(tmp_path), images))
    assert [record["change"] for record in every] == OF_CLASSIC
    assert trained == OF_CLASSIC[3:]
    assert [record["test_l1"] for record in every[:3]] == [record["test_l1"] for record in first]
    assert len({record["test_l1"] for record in every}) > 8, "the changes change something"
    fewer = {**images, "train": data.load("digits", "train", limit=150)}
    with pytest.raises(ResultError, match=r"changes\.csv was made otherwise \(train_images\)"):
        list(sensitivity.measure(plan(tmp_path), fewer))
    table = plan(tmp_path).folder / "changes.csv"
    here = table.read_text()
    table.write_text(here.replace(",cpu,", ",cuda,"))
    with pytest.raises(ResultError, match=r"changes\.csv was made otherwise \(device\)"):
        list(sensitivity.measure(plan(tmp_path), images))
    for columns, said in (({"eps": 1e-4}, "eps"), ({"beta1": 0.8, "beta2": 0.8}, "beta1, beta2")):
        pd.DataFrame(every).assign(**columns).to_csv(table, index=False)
        with pytest.raises(ResultError, match=rf"changes\.csv was made otherwise \({said}\)"):
            list(sensitivity.measure(plan(tmp_path), images))
    pd.DataFrame(every).drop(columns="eps").to_csv(table, index=False)  # of an earlier version
    with pytest.raises(ResultError, match=r"changes\.csv was made otherwise \(eps\); move it away"):
        list(sensitivity.measure(plan(tmp_path), images))
    with pytest.raises(ResultError, match=r"lacks columns \(eps\); move it away"):
        sensitivity.publish(plan(tmp_path).folder, tmp_path)
    table.write_text(here)
    monkeypatch.setattr(sensitivity, "versions", lambda: {"torch": "1.0.0"})
    with pytest.raises(ResultError, match=r"changes\.csv was made otherwise \(torch\)"):
        list(sensitivity.measure(plan(tmp_path), images))


def test_some_changes_alone_and_more_of_them_later(tmp_path, images):
    few = plan(tmp_path, changes="batch x 2, schedule x 1.2")
    first = list(sensitivity.measure(few, images))
    assert [record["change"] for record in first] == ["as it is", "batch x 2", "schedule x 1.2"]
    later = list(sensitivity.measure(plan(tmp_path, changes="batch / 2"), images))
    assert later[0] == first[0], "the unchanged one is not trained again"
    table = pd.read_csv(few.folder / "changes.csv")
    assert list(table["change"]) == ["as it is", "batch x 2", "schedule x 1.2", "batch / 2"], "nothing is lost"


def test_a_killed_training_goes_on_from_its_last_epoch(tmp_path, images, monkeypatch):
    """And ends with the numbers of an unbroken one; one of another change is not gone on from."""
    made = plan(tmp_path, changes="schedule x 2")
    whole = list(sensitivity.measure(plan(tmp_path / "whole", changes="schedule x 2"), images))
    really = train.fit

    def killed(*given, **named):
        for record in really(*given, **named):
            yield record
            raise KeyboardInterrupt

    monkeypatch.setattr(train, "fit", killed)
    with pytest.raises(KeyboardInterrupt):
        list(sensitivity.measure(made, images))
    resumed = []

    def counted(*given, **named):
        for record in really(*given, **named):
            resumed.append(record["seconds"])
            yield record

    stopped = made.folder / "checkpoint_as_it_is.pt"
    left = torch.load(stopped)
    assert [record["epoch"] for record in left["history"]] == [1]
    monkeypatch.setattr(train, "fit", counted)
    shutil.copy(stopped, made.folder / "checkpoint_torch_s_initialisation.pt")  # the same recipe, another network
    found = list(sensitivity.measure(made, images))
    assert resumed[0] == left["history"][0]["seconds"], "not trained again"
    assert [record["test_l1"] for record in found] == [record["test_l1"] for record in whole]
    assert not stopped.exists()
    first = resumed.copy()
    network = plan(tmp_path, changes="torch's initialisation")
    *_, fresh = sensitivity.measure(network, images)
    *_, alone = sensitivity.measure(plan(tmp_path / "alone", changes="torch's initialisation"), images)
    assert fresh["test_l1"] == alone["test_l1"] and left["history"][0]["seconds"] not in resumed[len(first) :]
    (made.folder / "checkpoint_batch_2.pt").write_text("torn")
    with pytest.raises(train.CheckpointError, match="cannot be read"):
        list(sensitivity.measure(plan(tmp_path, changes="batch / 2"), images))


def test_a_gpu_without_memory_is_no_answer(tmp_path, images, monkeypatch):
    """It goes through, and leaves no record: a training that diverges would be one."""

    def full(*given, **named):
        raise train.GpuMemoryError("too small")
        yield

    monkeypatch.setattr(train, "fit", full)
    with pytest.raises(train.GpuMemoryError):
        list(sensitivity.measure(plan(tmp_path), images))
    assert not (plan(tmp_path).folder / "changes.csv").exists()


def test_a_training_that_diverges_is_told_and_not_drawn(tmp_path, images, monkeypatch):
    def diverges(*given, **named):
        raise train.TrainingError("the loss is not finite")
        yield

    monkeypatch.setattr(train, "fit", diverges)
    table = pd.DataFrame(list(sensitivity.measure(plan(tmp_path), images)))
    assert table["test_l1"].isna().all() and len(table) == len(OF_CLASSIC)

    def again(*given, **named):
        raise AssertionError("it is tried again")

    monkeypatch.setattr(train, "fit", again)
    pd.testing.assert_frame_equal(pd.DataFrame(list(sensitivity.measure(plan(tmp_path), images))), table)
    one = table_of()
    one.loc[one["change"] == "batch x 2", "test_l1"] = float("nan")
    (axes,) = study_figures.changes(one, publishing.read_printed()).axes
    drawn = pd.DataFrame({"x": axes.lines[0].get_xdata(), "y": axes.lines[0].get_ydata()}).dropna()
    assert len(drawn) == len(OF_CLASSIC) - 1


def table_of(epochs=20, **changes):
    place = {"dataset": "mnist", "model": "classic", "bottleneck": 64, "seed": 0, "preset": "full"}
    known = {**dict.fromkeys(sensitivity.COLUMNS, 1), **place, "commit": 40 * "a", "train_images": 60_000}
    base = find_recipe("mnist", "classic", "paper")
    table = pd.DataFrame([{**known, "change": c, "test_l1": 0.04 + i / 1e3} for i, c in enumerate(OF_CLASSIC)])
    recipes = [sensitivity.changed(base, change, epochs) for change in OF_CLASSIC]
    made = {
        name: [getattr(recipe, name) for recipe in recipes]
        for name in ("epochs", "batch_size", "lr", "weight_decay", "eps")
    }
    made |= {f"beta{i + 1}": [recipe.betas[i] for recipe in recipes] for i in (0, 1)}
    falls = [recipe.milestones[0] for recipe in recipes]
    return table.assign(**made, first_fall=falls).assign(**changes)


def test_what_is_finished_is_published_in_the_place_of_its_elder(tmp_path):
    for seed in (0, 1, 1):
        table_of(seed=seed).to_csv(tmp_path / "changes.csv", index=False)
        sensitivity.publish(tmp_path, tmp_path)
    found = sensitivity.published("mnist", tmp_path)
    assert len(found) == 2 * len(OF_CLASSIC) and list(found.columns) == list(sensitivity.COLUMNS)
    assert sensitivity.published("digits", tmp_path).empty


def test_some_changes_are_published_where_they_were_meant(tmp_path):
    some = table_of()[table_of()["change"].isin(["as it is", "batch x 2"])]
    some.to_csv(tmp_path / "changes.csv", index=False)
    with pytest.raises(ResultError, match=r"not finished \(weight decay 0, "):
        sensitivity.publish(tmp_path, tmp_path)
    with pytest.raises(ResultError, match=r"not finished \(batch / 2\)"):
        sensitivity.publish(tmp_path, tmp_path, changes=["batch x 2", "batch / 2"])
    with pytest.raises(ResultError, match="give a list"):
        sensitivity.publish(tmp_path, tmp_path, changes="batch x 2")
    sensitivity.publish(tmp_path, tmp_path, changes=["batch x 2"])
    for other, said in ((some.assign(torch="9"), "torch"), (table_of(epochs=30)[:1], "epochs")):
        other[other["change"] == "as it is"].to_csv(tmp_path / "changes.csv", index=False)
        with pytest.raises(ResultError, match=rf"otherwise \({said}\) than published .* stay: batch x 2"):
            sensitivity.publish(tmp_path, tmp_path, changes=[])
    assert list(sensitivity.published("mnist", tmp_path)["change"]) == ["as it is", "batch x 2"]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (table_of()[:-1], r"not finished \(ReLU on the bottleneck\)"),
        (table_of(preset="quick"), "is quick"),
        (table_of(commit=40 * "a" + "-dirty"), "no commit holds"),
        (table_of(epochs=11), "ran for 11 epochs; publish 20 to 100 alone"),
        (table_of(train_images=1000), "not of all 60000 training images"),
        (table_of(test_l1=float("nan")), "no loss of the training as it is"),
        (table_of(lr=1e-3), "'learning rate / 2' has another lr"),
        (table_of(eps=1e-8), "the INN's Adam.* has another eps"),
    ],
)
def test_what_is_no_result_is_not_published(tmp_path, table, said):
    table.to_csv(tmp_path / "changes.csv", index=False)
    with pytest.raises(ResultError, match=said):
        sensitivity.publish(tmp_path, tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_the_figure_has_a_dot_a_training_and_the_papers_band():
    both = pd.concat([table_of(), table_of(seed=1), table_of(bottleneck=12)])
    left, right = study_figures.changes(both, publishing.read_printed()).axes
    assert left.get_title() == "classic, $k$ = 12"
    assert len(right.lines[0].get_xdata()) == 2 * len(left.lines[0].get_xdata()) == 2 * len(OF_CLASSIC)
    assert [label.get_text() for label in left.get_yticklabels()] == OF_CLASSIC[::-1]
    (band,) = right.patches
    assert band.get_x() == pytest.approx(0.0355 - 0.0004) and band.get_width() == pytest.approx(0.0008)
    assert right.lines[1].get_xdata()[0] == pytest.approx(0.04), "where the unchanged one is"
    (turned,) = study_figures.changes(table_of()[::-1], publishing.read_printed()).axes
    assert turned.lines[1].get_xdata()[0] == pytest.approx(0.04), "in whatever order"


def test_the_figure_tells_models_apart():
    other = table_of(model="inn", test_l1=0.02).assign(epochs=10)
    other.loc[other["change"] == "schedule x 2", "epochs"] = 20
    other = other[other["change"].isin(["as it is", "schedule x 2"])]
    figure = study_figures.changes(pd.concat([table_of(), other]), publishing.read_printed())
    above, below = figure.axes
    assert (above.get_title(), below.get_title()) == ("classic, $k$ = 64", "INN, $k$ = 64"), "few changes below many"
    assert list(below.lines[0].get_xdata()) == [0.02, 0.02]
    assert [label.get_text() for label in below.get_yticklabels()] == ["schedule x 2", "as it is"]
    assert len(above.lines[0].get_xdata()) == len(OF_CLASSIC)
    losses = {8: 0.05, 12: 0.04, 16: 0.03, 64: 0.02}
    tables = [table_of(bottleneck=k, test_l1=at) for k, at in losses.items()]
    several = study_figures.changes(pd.concat(tables), publishing.read_printed())
    places = [axes.get_subplotspec() for axes in several.axes]
    assert [(at.rowspan.start, at.colspan.start) for at in places] == [(0, 0), (0, 3), (1, 0), (1, 3)], "two rows"
    limits = [axes.get_xlim() for axes in several.axes]
    assert limits[0] == limits[1] != limits[2] == limits[3], "each with one axis of the losses"
    assert "Each row of panels has an axis of its own." in " ".join(several.get_supxlabel().split())
    for axes in (*figure.axes, *several.axes):
        low, high = axes.get_xlim()
        assert low < min(axes.lines[0].get_xdata()) and max(axes.lines[0].get_xdata()) < high, "all dots are seen"
    said = " ".join(figure.get_supxlabel().split())
    assert "10 epochs of INN (a stretched schedule: 20), 20 epochs of classic (a stretched schedule: 24 or 40)." in said


def seeds_of(losses, **changes):
    known = {"dataset": "mnist", "model": "classic", "recipe": "paper", "image_size": "28x28", **changes}
    return pd.DataFrame([{**known, "bottleneck": k, "seed": s, "test_l1": loss} for (k, s), loss in losses.items()])


def test_the_scatter_between_seeds_is_pooled_within_bottlenecks():
    losses = {(12, 0): 0.040, (12, 1): 0.042, (64, 0): 0.035, (64, 1): 0.036, (64, 2): 0.040, (3, 0): 0.07}
    table, sd = sensitivity.between_seeds(seeds_of(losses), publishing.read_printed())
    groups = [np.array([0.040, 0.042]), np.array([0.035, 0.036, 0.040])]
    assert sd == pytest.approx(np.sqrt(sum((g.var(ddof=1) * (len(g) - 1)) for g in groups) / 3))
    assert table["runs"].to_dict() == {3: 1, 12: 2, 64: 3}
    assert table.loc[64, ["mean", "lowest", "highest"]].tolist() == pytest.approx([0.037, 0.035, 0.040])
    assert table.loc[64, "difference"] == pytest.approx(0.037 - 0.0355) and np.isnan(table.loc[3, "paper"])
    alone, unknown = sensitivity.between_seeds(seeds_of({(12, 0): 0.04}))
    assert np.isnan(unknown) and list(alone.columns) == ["runs", "mean", "lowest", "highest"]
    with pytest.raises(ResultError, match="same seed and bottleneck"):
        sensitivity.between_seeds(pd.concat([seeds_of(losses), seeds_of({(12, 0): 0.04})]))
    with pytest.raises(ResultError, match="several curves"):
        sensitivity.between_seeds(pd.concat([seeds_of(losses), seeds_of(losses, recipe="late")]))


def test_24_runs_and_goes_on(tmp_path):
    given = {"preset": "quick", "runs": str(tmp_path), "bottleneck": 4}
    papermill("24_what_moves_it.ipynb", tmp_path / "out.ipynb", given)
    (path,) = tmp_path.rglob("changes.csv")
    before = path.read_text()
    assert "quick" in path.parts and len(before.splitlines()) == 1 + len(OF_CLASSIC)
    papermill("24_what_moves_it.ipynb", tmp_path / "out.ipynb", given)
    assert path.read_text() == before
