import pandas as pd
import pytest
import torch
from conftest import row
from torch import nn

from innae_utils import data, layers, models, publishing, results, study_figures, units
from innae_utils.results import ResultError

IMAGES = data.load("digits", "train", limit=120)


@pytest.mark.parametrize("model", ["classic", "classic_leaky"])
def test_a_unit_is_live_if_it_is_positive_for_one_image_at_least(model):
    """Against the network written out by hand; some units killed, one that lives for a single image alone."""
    network = models.build(model, "digits", 4, seed=0).train()
    first, second = (m for m in network.encoder if isinstance(m, nn.Linear) and m.out_features in (512, 256))
    x = IMAGES.batch(slice(None)).flatten(1)
    with torch.no_grad():
        first.weight[:100], first.bias[:100] = 0, -1.0
        second.weight[7] = 0
        second.bias[7] = -1.0
        h, expected = x, []
        for stack in (network.encoder, network.decoder):
            for layer in list(stack)[1:] if stack is network.encoder else list(stack)[:-2]:
                h = layer(h.clone())
                if isinstance(layer, nn.ReLU | nn.LeakyReLU):
                    share = (h > 0).double().mean(0)
                    switching = ((share > 0.01) & (share < 0.99)).sum()
                    expected.append((h.shape[1], int((h > 0).any(0).sum()), int(switching)))
    found = units.live_units(network, IMAGES, batch_size=50)
    again = units.live_units(network, IMAGES)
    assert again == found, "whatever the batch"
    assert [name for name, *_ in found] == [f"{half} {i}" for half in ("encoder", "decoder") for i in (1, 2, 3)]
    assert [tuple(counts) for _, *counts in found] == expected
    assert 0 < found[0][2] <= 412 and found[1][2] <= 255
    assert network.training and not any(module._forward_hooks for module in network.modules())


def test_the_units_of_residual_layers_are_counted_before_they_are_added():
    network = models.build("classic_residual_double_depth", "digits", 4, seed=0)
    h, live = IMAGES.batch(slice(None)).flatten(1), []
    with torch.no_grad():
        for layer in list(network.encoder)[1:-1]:
            if isinstance(layer, layers.Residual):
                added = layer[1](layer[0](h))
                live.append(int((added > 0).any(0).sum()))
                h = h + added
            else:
                h = layer(h.clone())
                live += [int((h > 0).any(0).sum())] if isinstance(layer, nn.ReLU) else []
    found = units.live_units(network, IMAGES)
    assert [name for name, *_ in found[:6]] == [f"encoder {i}" for i in range(1, 7)]
    assert [counts[1] for _, *counts in found[:6]] == live and max(live) < 512


@pytest.mark.parametrize("batch_size", [7, 60, 1000])
def test_one_image_is_enough_if_it_is_among_those_that_are_looked_at(batch_size):
    network = models.build("classic", "digits", 4, seed=0)
    first = network.encoder[1]
    pixels = IMAGES.pixels.clone()
    pixels[:, 0, 3, 3] = 0
    pixels[60, 0, 3, 3] = 16
    with torch.no_grad():
        first.weight[:], first.bias[:] = 0, -0.5
        first.weight[200, 3 * 8 + 3] = 1
    live = {n: units.live_units(network, data.Images(pixels, 16), n, batch_size)[0][2] for n in (60, 61, 1000)}
    assert live == {60: 0, 61: 1, 1000: 1}


@pytest.mark.parametrize("batch_size", [7, 1000])
def test_a_unit_switches_if_it_is_on_for_some_and_off_for_others(batch_size):
    """Units that are on for 1, 2, 118 and 119 of 120 images, for all and for none: two of the six switch."""
    network = models.build("classic", "digits", 4, seed=0)
    first, on = network.encoder[1], [1, 2, 118, 119, 120, 0]
    pixels = torch.zeros(120, 1, 8, 8, dtype=torch.uint8)
    for unit, count in enumerate(on):
        pixels[:count, 0, 0, unit] = 16
    with torch.no_grad():
        first.weight[:], first.bias[:] = 0, -0.5
        for unit in range(len(on)):
            first.weight[unit, unit] = 1
    assert units.live_units(network, data.Images(pixels, 16), 1000, batch_size)[0] == ("encoder 1", 512, 5, 2)


def test_what_cannot_be_counted_is_refused():
    network = models.build("classic", "digits", 4, seed=0)
    for wrong in ({"count": 0}, {"batch_size": 0}):
        with pytest.raises(ValueError, match="give 1 or more of each"):
            units.live_units(network, IMAGES, **wrong)
    with pytest.raises(ValueError, match="give a classic autoencoder"):
        units.live_units(models.build("inn", "digits", 4), IMAGES)


def test_a_convolutions_units_are_its_channels():
    network = models.build("classic", "cifar10", 4, seed=0)
    images = data.Images(torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8), 255)
    with torch.no_grad():
        network.encoder[0].weight[:5] = 0
        network.encoder[0].bias[:] = torch.tensor([-1.0] * 5 + [10.0] * 59)
    found = units.live_units(network, images)
    assert [n for _, n, *_ in found][:5] == [64, 128, 256, 512, 1024]
    assert found[0] == ("encoder 1", 64, 59, 0), "positive for every pixel: on, and never off"
    assert found[5][0] == "decoder 1"


def table_of(**changes):
    known = {name: row(model="classic", bottleneck=8)[name] for name in (*results.PLACE, "preset")}
    lines = [("encoder 1", 512, 400), ("encoder 2", 256, 100), ("decoder 1", 128, 128)]
    more = {"images": 100, "run_finished_at": "then", "commit": 40 * "a"}
    return pd.DataFrame(
        [
            {**known, **more, "layer": layer, "units": n, "live": live, "switching": 9, **changes}
            for layer, n, live in lines
        ],
        columns=list(units.COLUMNS),
    )


def test_what_is_published_is_of_published_runs_and_replaces_its_elder(tmp_path, monkeypatch):
    rows = pd.DataFrame([{**table_of().iloc[0][list(results.PLACE)].to_dict(), "finished_at": "then"}])
    monkeypatch.setattr(publishing, "published", lambda folder: rows)
    with pytest.raises(ResultError, match="of 0 data sets"):
        units.publish(table_of()[:0], tmp_path)
    with pytest.raises(ResultError, match="of 2 data sets"):
        units.publish(pd.concat([table_of(), table_of(dataset="mnist")]), tmp_path)
    for wrong, said in (
        ({"preset": "quick"}, "full ones alone"),
        ({"commit": 40 * "a" + "-dirty"}, "no commit holds"),
        ({"run_finished_at": "now"}, "is not the run that is published"),
        ({"seed": 7}, "is not the run that is published"),
    ):
        with pytest.raises(ResultError, match=said):
            units.publish(table_of(**wrong), tmp_path)
    assert units.published("digits", tmp_path).empty
    units.publish(table_of(), tmp_path)
    units.publish(table_of().assign(live=9, share=0.5), tmp_path)  # another column is left out
    assert units.published("digits", tmp_path)["live"].tolist() == [9, 9, 9]
    monkeypatch.setattr(publishing, "published", lambda folder: pd.concat([rows, rows.assign(seed=1)]))
    with pytest.raises(ResultError, match="several numbers of images"):
        units.publish(table_of(seed=1, images=50), tmp_path)
    assert len(units.published("digits", tmp_path)) == 3
    assert (units.published("digits", tmp_path)["switching"] == 9).all()
    units.publish(table_of(switching=pd.NA), tmp_path)
    kept = units.published("digits", tmp_path)["switching"]
    assert kept.isna().all() and kept.dtype == "Int64", "not counted is not none"
    (tmp_path / "units_mnist.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ResultError, match="is no table of live units"):
        units.published("mnist", tmp_path)


@pytest.mark.parametrize("kind", ["units", "codes", "search"])
def test_what_is_published_is_of_the_runs_that_are_published(kind):
    """A row that is replaced by another run's leaves its counts and shares behind."""
    rows = publishing.published().set_index(list(results.PLACE))["finished_at"]
    tables = [pd.read_csv(path) for path in publishing.PUBLISHED.glob(f"{kind}_*.csv")]
    assert tables
    for line in pd.concat(tables).itertuples():
        assert rows[tuple(getattr(line, name) for name in results.PLACE)] == line.run_finished_at


def test_the_figure_has_a_panel_a_curve_and_a_line_in_it_a_bottleneck(style):
    both = pd.concat([table_of(), table_of(seed=1).assign(live=0), table_of(model="classic_leaky", bottleneck=4)])
    figure = study_figures.live_units(pd.concat([both, table_of(model="classic_leaky")]))
    panels = {axes.get_title(loc="left"): axes for axes in figure.axes}
    assert list(panels) == ["classic", "classic leaky"]
    lines = [{line.get_label(): list(line.get_ydata()) for line in axes.lines} for axes in panels.values()]
    assert lines[0] == {"$k$ = 8": pytest.approx([200 / 512, 50 / 256, 0.5])}, "means over the seeds"
    assert list(lines[1]) == ["$k$ = 4", "$k$ = 8"]
    assert all(line == pytest.approx([400 / 512, 100 / 256, 1]) for line in lines[1].values())
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["E1", "E2", "D1"]
    said = figure.get_supxlabel().replace("\n", " ")
    assert "E: the encoder's hidden layers, of 512, 256 units. D: the decoder's hidden layers, of 128 units" in said
    assert "Means over seeds;" in said
    assert "A line is one run;" in study_figures.live_units(table_of()).get_supxlabel()


def test_the_figure_puts_a_deeper_networks_layers_in_their_places_and_tells_short_runs_apart(style):
    deep = [table_of(model="classic_deep").assign(layer=[*names]) for names in (
        ("encoder 1", "encoder 2", "encoder 3"), ("decoder 1", "decoder 2", "decoder 3"),
    )]  # fmt: skip
    short = [table_of(recipe=f"paper-epochs{n}") for n in (10, 5, 2)]
    figure = study_figures.live_units(pd.concat([table_of(), *deep, *short]))
    labels = [label.get_text() for label in figure.axes[-1].get_xticklabels()]
    assert labels == ["E1", "E2", "E3", "D1", "D2", "D3"]
    assert "D: the decoder's hidden layers, of 128 or 512" in figure.get_supxlabel().replace("\n", " ")
    lines = {axes.get_title(loc="left"): axes.lines[0] for axes in figure.axes}
    assert list(lines) == ["classic", "classic, 2 epochs", "classic, 5 epochs", "classic, 10 epochs", "classic deep"]
    assert list(lines["classic"].get_xdata()) == [0, 1, 3] and list(lines["classic deep"].get_xdata()) == [*range(6)]
    numbered = [axes.xaxis.get_tick_params()["labelbottom"] for axes in figure.axes]
    assert numbered == [False, False, True, True, True], "three and two: the third has none below"
