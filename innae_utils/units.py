"""Dead units: how many of a classic autoencoder's hidden units are ever positive.

A unit behind a ReLU that is positive for no image passes nothing on and gets no gradient: it has died, and the network
is narrower than it was built. One that is positive for every image is linear: its ReLU does nothing. Only units that
switch, on for some images and off for others, make a layer more than a matrix. The INN's subnetworks have leaky ReLUs
before their last convolution, which let a gradient through below zero. `classic_leaky` is the classic network with that
activation.

References: Lu et al., Dying ReLU and Initialization: Theory and Numerical Examples (Communications in Computational
    Physics, 2020).
"""

import os
from pathlib import Path

import torch
from torch import nn

from innae_utils import models, publishing, results
from innae_utils.data import Images
from innae_utils.results import PLACE, ResultError
from innae_utils.settings import PROJECT, family
from innae_utils.train import reconstruct

IMAGES = 10_000  # training images that are looked at
RARE = 0.01  # a unit switches if it is positive for more than this share of its values, and for less than 1 - RARE
COLUMNS = (*PLACE, "preset", "layer", "units", "live", "switching", "images", "run_finished_at", "commit")
WHAT = "live units"


def live_units(
    model: nn.Module, images: Images, count: int = IMAGES, batch_size: int = 500
) -> list[tuple[str, int, int, int]]:
    """The hidden layers of a classic autoencoder: how many of their units are ever positive, and how many switch.

    Args:
        model: with the stacks `encoder` and `decoder`. It is left in its mode.
        images: of which the first `count` are looked at, or all if there are no more; on the model's device.
        count: 1 or more.
        batch_size: images at a time, 1 or more.

    Returns:
        From the input to the output, `("encoder 1", units, live, switching)` and so on. Live units are positive for an
        image at least, switching ones for more than 1 % and less than 99 % of them. A unit of a convolution is a
        channel; its values are those of all pixels.

    Raises:
        ValueError: fewer than one image, or a model that has no such stacks.
    """
    if min(count, len(images), batch_size) < 1:
        raise ValueError(f"{min(count, len(images))} images in batches of {batch_size}; give 1 or more of each")
    if not (hasattr(model, "encoder") and hasattr(model, "decoder")):
        raise ValueError(f"a {type(model).__name__} has no encoder and decoder; give a classic autoencoder")
    layers = [
        (f"{half} {place}", module)
        for half in ("encoder", "decoder")
        for place, module in enumerate(
            (m for m in getattr(model, half).modules() if isinstance(m, nn.ReLU | nn.LeakyReLU)), 1
        )
    ]
    positive: dict[str, torch.Tensor] = {}  # how often each unit of a layer is
    values: dict[str, int] = dict.fromkeys((name for name, _ in layers), 0)

    def look(name: str):
        def hook(_, __, out):
            of_units = (out > 0).transpose(0, 1).flatten(1)
            positive[name] = positive.get(name, 0) + of_units.sum(1)
            values[name] += of_units.shape[1]

        return hook

    hooks = [module.register_forward_hook(look(name)) for name, module in layers]
    try:
        for _ in reconstruct(model, Images(images.pixels[:count], images.max_value, images.device), batch_size):
            pass  # the hooks have looked
    finally:
        for hook in hooks:
            hook.remove()
    found = []
    for name, _ in layers:
        share = positive[name].double() / values[name]
        switching = (share > RARE) & (share < 1 - RARE)
        found.append((name, len(share), int((share > 0).sum()), int(switching.sum())))
    return found


def in_order(layers) -> list[str]:
    """Names of layers from the input to the output, each once.

    Example:
        >>> in_order(["decoder 1", "encoder 2", "encoder 1", "encoder 2"])
        ['encoder 1', 'encoder 2', 'decoder 1']
    """
    return sorted(set(layers), key=lambda name: (name.startswith("decoder"), int(name.split()[1])))


def measure(rows, root: str | os.PathLike, images: Images, count: int = IMAGES):
    """The live units of finished runs, a line a hidden layer: columns `COLUMNS`.

    Args:
        rows: finished rows of one data set. Those of models that are not of the classic family are passed over;
            variational ones of that family are not.
        root: the data set's folder of runs that they come from.
        images: training images, with the device to use (`Images.to`).
        count: how many of them.
    """
    import pandas as pd

    made_by, records = results.commit(), []
    for row in rows.to_dict("records"):
        if family(row["model"]) == "classic":
            network = models.load(results.folder_of(row, root)).to(images.device)
            known = {name: row[name] for name in (*PLACE, "preset")} | {"images": min(count, len(images))}
            known |= {"run_finished_at": row["finished_at"], "commit": made_by}
            records += [
                {**known, "layer": layer, "units": units, "live": live, "switching": switching}
                for layer, units, live, switching in live_units(network, images, count)
            ]
    return pd.DataFrame(records, columns=list(COLUMNS))


def publish(table, folder: str | os.PathLike = PROJECT / "results") -> None:
    """Add a table of `measure` to `results/units_<dataset>.csv`, in the place of earlier lines of these runs.

    Raises ResultError, and writes nothing, for what `publishing.merged` refuses, or if then not all would be of as many
    images.
    """
    path, both = publishing.merged(table, "units", COLUMNS, [*PLACE, "layer"], WHAT, folder)
    if both["images"].nunique() > 1:
        raise ResultError(f"{path} would be of several numbers of images; measure all runs with the same")
    publishing.write_table(both.astype({"switching": "Int64"}), path)  # a whole number, or nothing


def published(dataset: str, folder: str | os.PathLike = PROJECT / "results"):
    """The published lines of a data set, columns `COLUMNS`; empty if there are none.

    Of lines from before it was counted `switching` is missing. Raises ResultError if the file has other columns.
    """
    table = publishing.read_table(Path(folder) / f"units_{dataset}.csv", COLUMNS, WHAT)
    return table.astype({"switching": "Int64"})
