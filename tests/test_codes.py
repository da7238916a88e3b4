import numpy as np
import pandas as pd
import pytest
import torch
from conftest import build_random, row
from safetensors.torch import save_file
from scipy.optimize import linprog
from torch import nn

from innae_utils import codes, data, figures, models, results, study_figures, sweeps
from innae_utils.results import ResultError


class Linear(nn.Module):
    """y = A x and x_hat = W y, with an encoder that may be wrong by a constant; images of (1, 3, 4)."""

    def __init__(self, decoder, encoder, offset=0.0):
        super().__init__()
        self.decoder, self.encoder = nn.Parameter(decoder), nn.Parameter(encoder)
        self.offset = offset

    def encode(self, x):
        return x.flatten(1) @ self.encoder.T + self.offset

    def decode(self, y):
        return (y @ self.decoder.T).unflatten(1, (1, 3, 4))

    def forward(self, x):
        return self.decode(self.encode(x))


@pytest.fixture
def basis():
    return torch.linalg.qr(torch.randn(12, 5)).Q


def test_the_best_codes_of_a_linear_decoder_are_those_of_linear_programming(basis):
    """min |x - W y| is a linear programme: the sum of t with -t <= x - W y <= t."""
    model, x = Linear(basis, basis.T), torch.rand(8, 1, 3, 4)
    y = codes.best_codes(model, x, steps=2000)
    found = (model.decode(y) - x).abs().flatten(1).mean(1)
    w = basis.double().numpy()
    for image, loss in zip(x.flatten(1).double().numpy(), found.tolist(), strict=True):
        bounds = np.block([[w, -np.eye(12)], [-w, -np.eye(12)]])
        cost, limits = np.r_[np.zeros(5), np.ones(12)], [(None, None)] * 5 + [(0, None)] * 12
        exact = linprog(cost, A_ub=bounds, b_ub=np.r_[image, -image], bounds=limits)
        assert exact.fun / 12 - 1e-6 <= loss <= 1.01 * exact.fun / 12
    assert (found < (model(x) - x).abs().flatten(1).mean(1) + 1e-7).all()


def test_the_search_finds_as_much_from_the_code_of_another_image(basis):
    model, x = Linear(basis, basis.T), torch.rand(8, 1, 3, 4)
    assert torch.equal(codes.best_codes(model, x, steps=0, start="another's"), model.encode(x).roll(1, dims=0))
    own, others = (
        (model.decode(codes.best_codes(model, x, steps=2000, start=start)) - x).abs().flatten(1).mean(1)
        for start in codes.STARTS
    )
    assert own.tolist() == pytest.approx(others.tolist(), rel=0.01)


def test_an_encoder_that_is_wrong_by_a_constant_takes_all_of_the_loss(basis):
    x = Linear(basis, basis.T).decode(torch.randn(200, 5)).detach()
    encoder_l1, best_l1 = codes.split_loss(Linear(basis, basis.T, offset=1.0), x, steps=500)
    assert encoder_l1 > 0.2 and best_l1 < 0.01 * encoder_l1
    encoder_l1, best_l1 = codes.split_loss(Linear(basis, basis.T), x, steps=10)
    assert encoder_l1 < 1e-6 and best_l1 <= encoder_l1


@pytest.mark.parametrize("model", ["inn", "classic", "classic_vae"])
def test_no_image_is_worse_than_with_the_encoders_code_and_the_network_stays_as_it_is(model):
    network = build_random(model, "digits", 4, dtype=torch.float32)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    x = data.load("digits", "test").batch(slice(0, 20))

    def losses(y):
        return (network.decode(y) - x).abs().flatten(1).mean(1).detach()

    first = losses(network.encode(x))
    assert torch.equal(codes.best_codes(network, x, steps=0), network.encode(x))
    for rate in (0.2, 1e4):
        assert (losses(codes.best_codes(network, x, steps=20, rate=rate)) <= first + 1e-6).all()
    assert (losses(codes.best_codes(network, x, steps=50)) < first).all()
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_a_number_that_the_encoder_leaves_alone_is_used(basis):
    """Four of five numbers encoded, the fifth always 0: the decoder could do with it."""
    encoder = basis.T.clone()
    encoder[4] = 0
    x = Linear(basis, basis.T).decode(torch.randn(200, 5)).detach()
    encoder_l1, best_l1 = codes.split_loss(Linear(basis, encoder), x, steps=500)
    assert encoder_l1 > 0.1 and best_l1 < 0.02 * encoder_l1


def test_nothing_is_lost_where_nothing_is_cut():
    network = build_random("inn", "digits", 64, dtype=torch.float32)
    encoder_l1, best_l1 = codes.split_loss(network, data.load("digits", "test").batch(slice(0, 20)), steps=5)
    assert best_l1 <= encoder_l1 < 1e-5


def test_the_parts_are_means_over_all_images_whatever_the_batch(basis):
    model, x = Linear(basis, basis.T), torch.rand(10, 1, 3, 4)
    whole, parts = (codes.split_loss(model, x, steps=0, batch_size=n) for n in (10, 4))
    assert whole == pytest.approx(parts, rel=1e-6)
    assert whole[0] == whole[1] == pytest.approx(float((model(x) - x).abs().mean().detach()), rel=1e-6)


def test_an_encoder_that_tells_nothing_apart_takes_what_the_decoder_could_have_drawn(basis):
    """All codes are the same: their spread, the unit of the steps, is 0."""
    x = Linear(basis, basis.T).decode(torch.randn(20, 5)).detach()
    encoder_l1, best_l1 = codes.split_loss(Linear(basis, torch.zeros(5, 12)), x, steps=500)
    assert best_l1 < 0.05 * encoder_l1


@pytest.mark.parametrize("count", [2, 3, 5, 101])
def test_no_batch_is_of_a_single_image(basis, count):
    model, x = Linear(basis, basis.T, offset=1.0).train(), torch.rand(count, 1, 3, 4)
    encoder_l1, best_l1 = codes.split_loss(model, x, steps=5, batch_size=2)
    assert best_l1 < encoder_l1 and model.training, "and the mode is as it was"


def test_what_cannot_be_split_is_refused(basis):
    model, x = Linear(basis, basis.T), torch.rand(4, 1, 3, 4)
    for images, steps in ((x[:1], 5), (x, -1)):
        with pytest.raises(ValueError, match="two images or more, and 0 steps or more"):
            codes.split_loss(model, images, steps)
    with pytest.raises(ValueError, match="allowed: own, another's"):
        codes.best_codes(model, x, start="zero")
    with pytest.raises(ResultError, match="not finite"):
        codes.split_loss(Linear(basis, basis.T * float("nan")), x, 5)


def test_the_same_images_for_every_model():
    images = data.load("digits", "test")
    few = codes.some(images, 7)
    assert few.shape == (7, 1, 8, 8) and torch.equal(few, codes.some(images, 7))
    assert torch.equal(codes.some(images, 10_000), images.batch(slice(None)))


@pytest.fixture
def runs(tmp_path):
    """Two runs as they lie when they have finished, of untrained networks; their rows, their folder, images of both
    splits, and a place for what is measured."""
    root = tmp_path / "digits"
    for changes in ({}, {"model": "classic", "recipe": "late", "epochs": 100}):
        one = row(**changes)
        folder = results.folder_of(one, root)
        folder.mkdir(parents=True)
        weights = models.build(one["model"], "digits", one["bottleneck"], seed=1).state_dict()
        save_file({name: value.contiguous() for name, value in weights.items()}, folder / "model.safetensors")
        results.write_row(folder, one)
    x = {split: codes.some(data.load("digits", split), 12) for split in ("train", "test")}
    return results.gather(root), root, x, tmp_path / "codes.csv"


def test_every_run_is_measured_once_and_kept(runs, monkeypatch):
    rows, root, x, path = runs
    begun = codes.measure(rows, root, x, str(path), steps=3)
    first = next(begun)
    assert list(first) == list(codes.COLUMNS) and len(pd.read_csv(path)) == 1, "written as soon as it is there"
    assert (first["model"], first["split"], first["images"], first["steps"]) == ("classic", "train", 12, 3)
    network = models.load(results.folder_of(rows.iloc[0], root))
    assert (first["encoder_l1"], first["best_l1"]) == pytest.approx(codes.split_loss(network, x["train"], 3), rel=1e-5)
    begun.close()
    whole = list(codes.measure(rows, root, x, path, steps=3))
    assert [(r["model"], r["split"]) for r in whole] == [
        ("classic", "train"), ("classic", "test"), ("inn", "train"), ("inn", "test"),
    ]  # fmt: skip

    def never(*_, **__):
        raise AssertionError

    really = codes.split_loss
    monkeypatch.setattr(codes, "split_loss", never)
    again = list(codes.measure(rows, root, x, path, steps=3))
    assert [r["best_l1"] for r in again] == [r["best_l1"] for r in whole]
    for other in ({"steps": 4}, {"x": {"test": x["test"][:5]}}, {"rows": rows.assign(finished_at="later")}):
        with pytest.raises(AssertionError):
            list(codes.measure(**{"rows": rows, "root": root, "x": x, "path": path, "steps": 3, **other}))
    with monkeypatch.context() as changed, pytest.raises(AssertionError):
        changed.setattr(results, "code_digest", lambda _: "another")
        list(codes.measure(rows, root, x, path, steps=3))
    pd.read_csv(path).drop(columns="code").to_csv(path, index=False)
    with pytest.raises(ResultError, match=r"codes\.csv is no table of split losses; .* move it away"):
        next(codes.measure(rows, root, x, path, steps=3))
    path.unlink()
    monkeypatch.setattr(codes, "split_loss", really)
    for commit, measured in (
        ("abc-dirty", "abc-dirty"),
        (40 * "b", 40 * "b"),
        (40 * "c", 40 * "b"),
        ("unknown", 40 * "b"),
    ):
        monkeypatch.setattr(results, "commit", lambda commit=commit: commit)
        assert {record["commit"] for record in codes.measure(rows, root, x, path, steps=3)} == {measured}
        assert len(pd.read_csv(path)) == 4


def test_the_runs_of_a_sweep_are_those_that_have_finished(runs, tmp_path):
    def models_of(**given):
        return codes.finished(sweeps.check_sweep({"runs": str(tmp_path), **given}))["model"].tolist()

    assert models_of() == ["classic", "inn"] and models_of(models="inn") == ["inn"]
    assert models_of(recipes="late") == ["classic"] and models_of(bottlenecks="4", seeds="0") == ["classic", "inn"]
    assert models_of(seeds="1") == models_of(bottlenecks="8") == models_of(preset="quick") == []


def test_the_encoders_share_is_of_means_over_seeds():
    place = {"model": "inn", "recipe": "paper", "bottleneck": 4, "split": "test"}
    table = pd.DataFrame([{**place, "seed": seed, "encoder_l1": 0.1 + seed, "best_l1": 0.1} for seed in (0, 1)])
    found = codes.shares(table).loc[("INN", 4, "test")]
    assert found.tolist() == pytest.approx([2, 0.6, 0.1, 1 - 0.1 / 0.6])


def test_what_is_published_is_whole_and_replaces_its_elder(runs, tmp_path):
    rows, root, x, path = runs
    table = pd.DataFrame(codes.measure(rows, root, x, path, steps=3)).assign(commit=40 * "a")
    with pytest.raises(ResultError, match="is not the run that is published"):
        codes.publish(table, tmp_path)
    rows.to_csv(tmp_path / "digits.csv", index=False)
    for wrong, said in (
        ({"preset": "quick"}, "quick records"),
        ({"commit": "abc-dirty"}, "no commit holds"),
        ({"run_finished_at": "2020-01-01T00:00:00+00:00"}, "classic late 4 0 is not the run that is published"),
        ({"steps": [3, 3, 4, 4]}, "several numbers of images or steps"),
    ):
        with pytest.raises(ResultError, match=said):
            codes.publish(table.assign(**wrong), tmp_path)
        assert codes.published("digits", tmp_path).empty
    codes.publish(table, tmp_path)
    inn = table[table["model"] == "inn"].assign(best_l1=0.01)
    with pytest.raises(ResultError, match="measure all runs with the same"):
        codes.publish(inn.assign(images=6), tmp_path)
    codes.publish(inn, tmp_path)
    found = codes.published("digits", tmp_path)
    assert list(found.columns) == list(codes.COLUMNS) and len(found) == 4
    assert (found[found["model"] == "inn"]["best_l1"] == 0.01).all()
    assert (found[found["model"] == "classic"]["best_l1"] != 0.01).all()


def test_a_longer_search_goes_on_where_it_was_stopped(runs, tmp_path, monkeypatch):
    rows, root, x, _ = runs
    asked = (rows, root, x["test"], "test", tmp_path / "search.csv")
    begun = codes.search_further(*asked, 3)
    first = [next(begun), next(begun), next(begun)]
    assert [(r["model"], r["start"]) for r in first] == [("classic", "own"), ("classic", "another's"), ("inn", "own")]
    assert len(pd.read_csv(asked[-1])) == 3, "written as soon as they are there"
    begun.close()
    really, split = codes.split_loss, []

    def counted(*args, start):
        split.append(start)
        return really(*args, start=start)

    monkeypatch.setattr(codes, "split_loss", counted)
    whole = list(codes.search_further(*asked, 3))
    assert split == ["another's"], "what was kept is not searched again"
    assert [r["best_l1"] for r in whole[:3]] == pytest.approx([r["best_l1"] for r in first], rel=1e-12)
    again = list(codes.search_further(*asked, 3))
    assert [r["best_l1"] for r in again] == pytest.approx([r["best_l1"] for r in whole], rel=1e-12) and len(split) == 1
    assert len(list(codes.search_further(*asked, 4))) == 4 and len(split) == 5, "another length is another search"
    monkeypatch.setattr(results, "code_digest", lambda _: "another")
    assert len(list(codes.search_further(*asked, 4))) == 4 and len(split) == 9
    with pytest.raises(ResultError, match=r"search\.csv is no table of split losses; .* move it away"):
        next(codes.measure(rows, root, x, asked[-1], steps=3))
    pd.DataFrame(columns=list(codes.COLUMNS)).to_csv(tmp_path / "codes.csv", index=False)
    with pytest.raises(ResultError, match=r"codes\.csv is no table of longer searches; .* move it away"):
        next(codes.search_further(*asked[:-1], tmp_path / "codes.csv", 3))


def test_records_name_the_code_and_the_commit_that_they_began_with(runs, tmp_path, monkeypatch):
    rows, root, x, path = runs
    for begun in (
        codes.measure(rows, root, x, path, steps=2),
        codes.search_further(rows, root, x["test"], "test", tmp_path / "search.csv", 2),
    ):
        records = [next(begun)]
        with monkeypatch.context() as changed:  # another state of the code lies on the disk, and is committed
            changed.setattr(results, "code_digest", lambda _: "another")
            changed.setattr(results, "commit", lambda: 40 * "f")
            records += begun
        assert len(records) == 4
        assert len({(record["code"], record["commit"]) for record in records}) == 1


def test_a_longer_search_is_published_beside(runs, tmp_path):
    rows, root, x, path = runs
    before = pd.DataFrame(codes.measure(rows, root, x, path, steps=3)).set_index(["model", "split"])
    searched = codes.search_further(rows, root, x["test"], "test", tmp_path / "search.csv", 6)
    table = pd.DataFrame(searched).assign(commit=40 * "a")
    assert list(table.columns) == list(codes.SEARCH_COLUMNS) and set(table["split"]) == {"test"}
    assert set(table["steps"]) == {6} and set(table["images"]) == {len(x["test"])}
    assert list(zip(table["model"], table["start"], strict=True)) == [
        (model, start) for model in ("classic", "inn") for start in codes.STARTS
    ]
    for model, of_model in table.groupby("model"):
        was = before.loc[(model, "test")]
        assert of_model["encoder_l1"].tolist() == pytest.approx(2 * [was["encoder_l1"]], rel=1e-6)
        own, others = of_model.set_index("start").loc[list(codes.STARTS), "best_l1"]
        (row,) = rows[rows["model"] == model].to_dict("records")
        longer = codes.split_loss(models.load(results.folder_of(row, root)), x["test"], 6)[1]
        assert own == pytest.approx(longer, rel=1e-6)
        assert own <= was["encoder_l1"] and (own != others or model == "classic"), "which draws one image, untrained"
    with pytest.raises(ResultError, match="is not the run that is published"):
        codes.publish_search(table, tmp_path)
    rows.to_csv(tmp_path / "digits.csv", index=False)
    codes.publish_search(table, tmp_path)
    codes.publish_search(table[table["model"] == "inn"].assign(best_l1=0.01), tmp_path)
    found = pd.read_csv(tmp_path / "search_digits.csv")
    assert list(found.columns) == list(codes.SEARCH_COLUMNS) and len(found) == 4
    assert set(found.loc[found["model"] == "inn", "best_l1"]) == {0.01}
    codes.publish_search(table.assign(steps=7), tmp_path)
    found = pd.read_csv(tmp_path / "search_digits.csv")
    assert len(found) == 8, "of another length: beside"
    assert found.equals(found.sort_values(list(codes.SEARCH_PLACE), ignore_index=True))
    for wrong, count in ((table[:0], 0), (pd.concat([table, table.assign(dataset="mnist")]), 2)):
        with pytest.raises(ResultError, match=f"longer searches are of {count} data sets"):
            codes.publish_search(wrong, tmp_path)


def test_what_another_writes_meanwhile_stays(runs, monkeypatch):
    rows, root, x, path = runs
    other = next(codes.measure(rows[rows["model"] == "inn"], root, x, path, steps=2))
    path.unlink()

    def split_meanwhile(*_, **__):
        pd.DataFrame([other]).to_csv(path, index=False)
        return 0.2, 0.1

    monkeypatch.setattr(codes, "split_loss", split_meanwhile)
    next(codes.measure(rows[rows["model"] == "classic"], root, x, path, steps=2))
    assert pd.read_csv(path)["model"].tolist() == ["inn", "classic"]


def test_two_that_measure_at_once_keep_each_others_records(runs):
    rows, root, x, path = runs
    both = [codes.measure(rows[rows["model"] == model], root, x, path, steps=2) for model in ("classic", "inn")]
    for pair in zip(*both, strict=True):  # in turn
        assert len(pair) == 2
    assert len(pd.read_csv(path)) == 2 * len(x)


def test_the_figure_has_a_panel_a_curve_with_a_full_and_a_dashed_line_a_split(style):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        [
            {
                "dataset": "digits", "model": model, "recipe": recipe, "bottleneck": k, "seed": seed, "preset": "full",
                "split": split, "images": 12, "steps": 3, "encoder_l1": 0.05 + rng.random(),
                "best_l1": 0.02 + rng.random() / 50,
            }
            for model, recipe in (("inn", "paper"), ("classic", "late"))
            for k in (4, 8) for seed in (0, 1) for split in ("train", "test")
        ]
    )  # fmt: skip
    figure = study_figures.encoder_or_decoder(table)
    panels = {axes.get_title(loc="left"): axes for axes in figure.axes}
    assert list(panels) == ["INN", "classic, late decay"]
    means = table.groupby(["model", "split", "bottleneck"])[["encoder_l1", "best_l1"]].mean()
    marked = {"test": "o", "train": "None"}  # training images have no dots
    for (curve, axes), model in zip(panels.items(), ("inn", "classic"), strict=True):
        drawn = {
            (line.get_color(), line.get_marker(), line.get_linestyle()): list(line.get_ydata()) for line in axes.lines
        }
        shown = [(figures.colour_of(curve), model, "train"), (figures.colour_of(curve), model, "test")]
        shown += [("0.6", "inn", "test")] * (model != "inn")
        assert len(drawn) == 2 * len(shown)
        for colour, whose, split in shown:
            for kind, line in (("encoder_l1", "-"), ("best_l1", "--")):
                assert drawn[colour, marked[split], line] == pytest.approx(means.loc[whose, split][kind])
        assert len(axes.collections) == 2, "what goes away is shaded, with a bar at every bottleneck"
    assert "Grey: the INN, for comparison" in figure.get_supxlabel().replace("\n", " ")
    alone = study_figures.encoder_or_decoder(table[table["model"] == "classic"])
    assert len(alone.axes) == 1 and "Grey" not in alone.get_supxlabel()
    with pytest.raises(figures.FigureError, match="of one dataset"):
        study_figures.encoder_or_decoder(pd.concat([table, table.assign(dataset="mnist")]))
