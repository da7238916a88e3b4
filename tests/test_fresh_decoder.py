import math

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import row
from safetensors.torch import load_file, save_file
from torch import nn

from innae_utils import (
    data,
    figures,
    fresh_decoder,
    losses,
    models,
    pca,
    publishing,
    results,
    settings,
    study_figures,
    train,
)
from innae_utils.results import ResultError

TRAIN, TEST = data.load("digits", "train", limit=256), data.load("digits", "test", limit=60)
SHORT = settings.find_recipe("digits", fresh_decoder.MODEL, fresh_decoder.RECIPE).scaled(3)


def white(y):
    mean, matrix = fresh_decoder.whitening(y)
    return (y - mean) @ matrix


def test_whitened_codes_have_mean_0_and_the_identity_as_covariance():
    y = torch.randn(500, 6) @ torch.randn(6, 6) + 5
    assert np.allclose(white(y).mean(0), 0, atol=1e-4)
    assert np.allclose(np.cov(white(y).T.numpy(), bias=True), np.eye(6), atol=1e-3)


def test_codes_that_an_affine_map_turns_into_each_other_are_as_far_apart_once_they_are_white():
    y = torch.randn(80, 5)
    matrix = torch.linalg.qr(torch.randn(5, 5)).Q @ torch.diag(torch.tensor([1.0, 3, 0.2, 8, 0.5]))
    one, two = (torch.cdist(white(part).double(), white(part).double()) for part in (y, y @ matrix - 7))
    assert np.allclose(one, two, atol=1e-3)


def test_rounding_is_not_made_into_numbers():
    """Of five numbers one is constant and one a sum of two others, but for float32's rounding."""
    y = torch.randn(300, 5)
    y[:, 1], y[:, 4] = 2.0, y[:, 0] + y[:, 2]
    y += 1e-6 * torch.randn(300, 5)
    spread = white(y).std(0).sort().values
    assert (spread[:2] < 0.01).all() and np.allclose(spread[2:], 1, atol=0.01)
    assert white(torch.ones(10, 3)).abs().max() == 0, "all codes the same"


def test_the_encoders_that_are_not_trained():
    fitted, x = pca.fit(TRAIN, 5), TEST.batch(slice(None))
    y = fresh_decoder.encoded(fresh_decoder.linear("pca", TRAIN, TEST, 5, 0)[0], TEST)
    drawn = torch.from_numpy(fitted.mean_) + y.double() @ torch.from_numpy(fitted.components_)
    assert np.allclose(drawn, pca.reconstruct(fitted, x, 5).flatten(1), atol=1e-5)
    one, again, other = (fresh_decoder.linear("random", TRAIN, TEST, 5, seed)[0] for seed in (0, 0, 1))
    assert torch.equal(one(x), again(x)) and not torch.equal(one(x), other(x))
    assert np.allclose(one(x) + one(x), one(2 * x), atol=1e-4), "sums"
    weights = one(torch.eye(64).view(64, 1, 8, 8))
    assert weights.shape == (64, 5) and 0.8 < weights.std() < 1.2 and abs(weights.mean()) < 0.2


def test_a_decoder_is_trained_as_by_torchs_own_adam_written_out():
    y = torch.randn(256, 4)
    mine, theirs = (fresh_decoder.new_decoder("digits", 4, seed=3) for _ in range(2))
    leaky = models.build("classic_leaky", "digits", 4, seed=3)
    assert all(torch.equal(a, b) for a, b in zip(mine.parameters(), leaky.decoder.parameters(), strict=True))
    fresh_decoder.fit(mine, y, TRAIN, SHORT, seed=5)
    optimizer = torch.optim.Adam(theirs.parameters(), lr=2e-3, weight_decay=1e-5)
    for epoch, rate in ((1, 2e-3), (2, 2e-3), (3, 2e-4)):
        optimizer.param_groups[0]["lr"] = rate
        for index in data.shuffled(256, 64, 5, epoch):
            optimizer.zero_grad()
            nn.L1Loss()(theirs(y[index]), TRAIN.pixels[index] / 16).backward()
            optimizer.step()
    assert not mine.training
    for ours, written in zip(mine.parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(ours, written, atol=1e-5)
    x = TRAIN.pixels / 16
    assert fresh_decoder.l1(mine, y, TRAIN) == pytest.approx(float((mine(y) - x).abs().mean().detach()), rel=1e-5)


def test_what_an_encoder_has_lost_cannot_be_drawn():
    """Codes that tell nothing apart: no decoder is better than the median image, the best one picture for all."""
    best = float((TRAIN.pixels / 16 - TRAIN.pixels.float().median(0).values / 16).abs().mean())
    nothing, _ = fresh_decoder.redraw(lambda x: torch.ones(len(x), 8), TRAIN, TEST, "digits", SHORT, 0, "fp32")
    all_of_it, _ = fresh_decoder.redraw(lambda x: x.flatten(1), TRAIN, TEST, "digits", SHORT.scaled(30), 0, "fp32")
    assert nothing >= best > all_of_it


def test_what_is_only_hidden_is_drawn_as_well():
    """Numbers mixed, scaled and shifted past use: the decoder gets the same white ones but for a rotation."""
    plain = fresh_decoder.linear("pca", TRAIN, TEST, 8, 0)[0]
    mix = torch.linalg.qr(torch.randn(8, 8)).Q @ torch.diag(torch.logspace(-1, 1, 8))
    losses_of = [
        fresh_decoder.redraw(encoder, TRAIN, TEST, "digits", SHORT.scaled(20), 0, "fp32")[1]
        for encoder in (plain, lambda x: plain(x) @ mix + 100)
    ]
    assert losses_of[1] == pytest.approx(losses_of[0], rel=0.05)


def test_what_is_not_finite_is_no_result():
    with pytest.raises(ResultError, match="codes are not finite"):
        fresh_decoder.redraw(lambda x: x.flatten(1) / 0, TRAIN, TEST, "digits", SHORT, 0, "fp32")


@pytest.fixture
def runs(tmp_path):
    """Two untrained networks as runs leave them: rows, their folder, and the CSV of records."""
    root, rows = tmp_path / "digits", []
    for model, recipe in (("classic", "late"), ("inn", "paper")):
        known = row(model=model, recipe=recipe, bottleneck=4)
        folder = results.folder_of(known, root)
        folder.mkdir(parents=True)
        network = models.build(model, "digits", 4, seed=0)
        weights = {name: value.contiguous() for name, value in network.state_dict().items()}
        save_file(weights, folder / "model.safetensors")
        results.write_row(folder, known)
        rows.append(known | {"test_l1": train.evaluate(network, TEST)})
    return pd.DataFrame(rows), root, tmp_path / "fresh.csv"


def test_every_encoder_gets_a_decoder_once(runs, monkeypatch):
    rows, root, path = runs
    begun = fresh_decoder.measure(rows, root, TRAIN, TEST, path, epochs=1)
    first = next(begun)
    assert len(pd.read_csv(path)) == 1, "written as soon as it is there"
    begun.close()
    really, redrawn = fresh_decoder.redraw, []

    def counted(*given):
        redrawn.append(given)
        return really(*given)

    monkeypatch.setattr(fresh_decoder, "redraw", counted)
    table = pd.DataFrame(fresh_decoder.measure(rows, root, TRAIN, TEST, path, epochs=1))
    assert list(table["model"]) == ["classic", "inn", "classic", "inn", "pca", "random", "pixels"]
    assert list(table["recipe"]) == ["late", "paper", "untrained", "untrained", "linear", "linear", "linear"]
    assert len(redrawn) == 6
    assert tuple(table.columns) == fresh_decoder.COLUMNS and len(pd.read_csv(path)) == 7
    assert table["test_l1"][0] == pytest.approx(first["test_l1"], rel=1e-12)
    own = [*rows["test_l1"], pca.l1(pca.fit(TRAIN, 4), TEST, 4)]
    assert list(table["own_test_l1"][[0, 1, 4]]) == pytest.approx(own)
    assert table["own_test_l1"].isna().sum() == 4, "the others have no decoder"
    assert set(table["epochs"]) == {1} and set(table["test_images"]) == {60}
    one, two = (
        really(encoder, TRAIN, TEST, "digits", SHORT.scaled(1), 0, "fp32")[1]
        for encoder in (
            models.build("inn", "digits", 4, seed=0).encode,
            fresh_decoder.linear("random", TRAIN, TEST, 4, 0)[0],
        )
    )
    assert list(table["test_l1"][[1, 5]]) == pytest.approx([one, two], rel=1e-5)
    list(fresh_decoder.measure(rows, root, TRAIN, TEST, path, epochs=1))
    assert len(redrawn) == 6, "nothing is measured twice, also where there is no loss of its own"
    list(fresh_decoder.measure(rows, root, TRAIN, TEST, path, epochs=2))
    assert len(redrawn) == 13 and len(pd.read_csv(path)) == 14, "other epochs: other decoders, beside"
    monkeypatch.setattr(results, "code_digest", lambda _: "another")
    list(fresh_decoder.measure(rows, root, TRAIN, TEST, path, epochs=1))
    assert len(redrawn) == 20
    assert not list(fresh_decoder.measure(rows[:0], root, TRAIN, TEST, path))


def test_a_network_that_is_not_finite_is_named(runs):
    rows, root, path = runs
    folder = results.folder_of(rows.to_dict("records")[0], root)
    weights = {name: value * math.nan for name, value in load_file(folder / "model.safetensors").items()}
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(ResultError, match="^digits classic late 4 0: the reconstructions are not finite"):
        next(fresh_decoder.measure(rows, root, TRAIN, TEST, path, epochs=1))
    assert not path.exists()


def test_what_is_published_is_of_the_published_runs_or_the_same_made_again(runs, tmp_path):
    rows, root, path = runs
    table = pd.DataFrame(fresh_decoder.measure(rows, root, TRAIN, TEST, path, epochs=1)).assign(commit=40 * "a")
    there = tmp_path / "results"
    there.mkdir()
    publishing.write_table(rows.assign(finished_at="then"), there / "digits.csv")
    whole = table.assign(epochs=100)
    for wrong, said in (
        (table, "epochs of their own"),
        (whole.assign(own_test_l1=0.9), "is not the run that is published"),
        (whole.assign(test_images=[*6 * [60], 61]), "several numbers of images or states of the code"),
        (whole.assign(code=[*"abcdefg"]), "several numbers of images or states of the code"),
        (whole.assign(preset="quick"), "quick records are no result"),
        (whole.assign(commit=40 * "a" + "-dirty"), "no commit holds"),
    ):
        with pytest.raises(ResultError, match=said):
            fresh_decoder.publish(wrong, there)
    assert fresh_decoder.published("digits", there).empty
    fresh_decoder.publish(whole, there)
    fresh_decoder.publish(whole[whole["model"] == "random"].assign(test_l1=0.5), there)
    found = fresh_decoder.published("digits", there)
    assert len(found) == 7 and found.set_index("model")["test_l1"]["random"] == 0.5


@pytest.mark.parametrize("path", [*publishing.PUBLISHED.glob("fresh_*.csv")], ids=lambda path: path.stem)
def test_the_published_decoders_are_of_published_runs(path):
    table = pd.read_csv(path)
    rows = publishing.published().set_index(list(results.PLACE))["test_l1"]
    networks = table[table["run_finished_at"] != publishing.NOT_TRAINED]
    assert len(networks)
    for line in networks.itertuples():
        assert rows[tuple(getattr(line, name) for name in results.PLACE)] == pytest.approx(
            line.own_test_l1, rel=publishing.AGAIN
        )
    assert table["code"].nunique() == 1 and table[["train_images", "test_images"]].drop_duplicates().shape == (1, 2)


def table_of():
    known = {"dataset": "digits", "preset": "full", "test_images": 360}
    lines = [
        ("classic", "paper", 16, 0, 0.08, 0.07), ("classic", "paper", 16, 1, 0.10, 0.05),
        ("inn", "paper", 16, 0, 0.06, 0.05), ("inn", "paper", 32, 0, 0.04, 0.03),
        ("classic", "untrained", 16, 0, math.nan, 0.065), ("pixels", "linear", 16, 0, math.nan, 0.02),
        ("pca", "linear", 16, 0, 0.07, 0.045), ("random", "linear", 16, 0, math.nan, 0.055),
        ("pca", "linear", 32, 0, 0.07, 0.025), ("random", "linear", 32, 0, math.nan, 0.035),
    ]  # fmt: skip
    names = ("model", "recipe", "bottleneck", "seed", "own_test_l1", "test_l1")
    return pd.DataFrame([{**known, **dict(zip(names, line, strict=True))} for line in lines]).assign(
        own_train_l1=lambda table: table["own_test_l1"] / 2, train_l1=lambda table: table["test_l1"] / 2
    )


def test_the_means_are_over_seeds_and_sorted_by_what_the_new_decoders_reach():
    found = fresh_decoder.means(table_of())
    assert [*found.loc[16].index] == [
        "all pixels",
        "PCA",
        "INN",
        "random projection",
        "classic",
        "classic, untrained",
    ]
    assert [*found.loc[32].index] == ["PCA", "INN", "random projection"]
    assert list(found.loc[(16, "classic")]) == pytest.approx([2, 0.09, 0.06, 0.045, 0.03])


def test_the_figure_has_a_panel_a_bottleneck_and_in_it_a_line_a_curve(style):
    figure = study_figures.fresh_decoder(table_of())
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["$k$ = 16", "$k$ = 32"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["INN", "classic"]
    for axes, count in zip(figure.axes, (2, 1), strict=True):
        assert axes.yaxis_inverted()
        white = [line for line in axes.lines if line.get_markerfacecolor() == "white"]
        full = [line for line in axes.lines if line.get_marker() == "o" and line not in white]
        assert len(white) == len(full) == count
        upright = {
            line.get_linestyle(): line.get_xdata()[0]
            for line in axes.lines
            if line.get_linestyle() in (":", "--", "-.")
        }
        assert upright == ({"--": 0.045, ":": 0.055, "-.": 0.02} if count == 2 else {"--": 0.025, ":": 0.035})
    drawn = {
        (line.get_markerfacecolor() == "white", line.get_ydata()[0]): line.get_xdata()[0]
        for line in figure.axes[0].lines
        if line.get_marker() == "o"
    }
    (stroke,) = [line for line in figure.axes[0].lines if line.get_marker() == "|"]
    assert (stroke.get_xdata()[0], stroke.get_ydata()[0]) == (0.065, 1), "the classic one, untrained"
    expected = {(True, 0): 0.06, (False, 0): 0.05, (True, 1): 0.09, (False, 1): 0.06}
    assert drawn == pytest.approx(expected)
    said = figure.get_supxlabel().replace("\n", " ")
    assert (
        "PCA (dashed), a random projection of the pixels (dotted), all pixels (dash-dotted)" in said
        and "stroke" in said
        and "Means over seeds, of 360 test images" in said
    )
    once = study_figures.fresh_decoder(table_of().drop_duplicates(["model", "recipe", "bottleneck"]))
    assert "One run each, of 360 test images" in once.get_supxlabel().replace("\n", " ")
    five = pd.concat([table_of().query("bottleneck == 16").assign(bottleneck=k) for k in (2, 4, 8, 16, 32)])
    numbered = [axes.xaxis.get_tick_params()["labelbottom"] for axes in study_figures.fresh_decoder(five).axes]
    assert numbered == [False, False, True, True, True], "three and two: the third has none below"
    with pytest.raises(figures.FigureError, match="needs a trained network"):
        study_figures.fresh_decoder(table_of().query("model in ['pca', 'random'] or recipe == 'untrained'"))


def test_l1_is_that_of_the_losses():
    y, decoder = torch.randn(60, 4), fresh_decoder.new_decoder("digits", 4, seed=0).eval()
    expected = float(losses.reconstruction(TEST.batch(slice(None)), decoder(y)).detach())
    assert fresh_decoder.l1(decoder, y, TEST) == pytest.approx(expected, rel=1e-5)
