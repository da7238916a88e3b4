"""What several tests share: random weights, the real images if they are there, and notebooks run by papermill."""

import dataclasses
import os
import subprocess
import sys
from importlib import util
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml

from innae_utils import data, models, results, settings

NOTEBOOKS = settings.PROJECT / "notebooks"
# One thread, here and in the kernels that tests start: on a busy machine two wait for each other at every layer.
os.environ["OMP_NUM_THREADS"] = "1"
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _steady():
    """The same random numbers in every test, whatever ran before it."""
    torch.manual_seed(0)
    yield


@pytest.fixture
def style():
    """Figures in the project's style, without a screen, and none left open."""
    import matplotlib.pyplot as plt

    from innae_utils import figures

    plt.switch_backend("agg")
    with plt.style.context(figures.STYLE):
        yield
    plt.close("all")


def random_weights(model, scale=0.3):
    """Give every trainable parameter a random value: at the initial identity an inverse test would prove nothing."""
    for parameter in model.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=scale / max(1, parameter[0].numel()) ** 0.5)
    return model


def build_random(model, dataset, bottleneck, dtype=torch.float64):
    return random_weights(models.build(model, dataset, bottleneck)).to(dtype).eval()


@pytest.fixture
def whole(monkeypatch):
    """Say how many images make a data set whole, so that a small one is no reason to warn: whole("lfw", 8, 2)."""

    def say(name, *images):
        monkeypatch.setitem(settings.DATASETS, name, dataclasses.replace(settings.DATASETS[name], images=images))

    return say


PLACE = {
    "dataset": "digits", "model": "inn", "recipe": "paper", "bottleneck": 4, "seed": 0, "preset": "full", "epochs": 30,
}  # fmt: skip


def row(**changes):
    """A row of digits as a run would write it."""
    measured = {
        "train_l1": 0.1, "test_l1": 0.11, "n_params": 5, "seconds": 1.0, "device": "cpu", "precision": "fp32",
        "commit": 40 * "a",
    }  # fmt: skip
    pixels = torch.zeros(3, 1, 8, 8, dtype=torch.uint8)
    images = {"train": data.Images(pixels), "test": data.Images(pixels[:2])}
    return {**results.make_row(PLACE, images, **measured), **changes}


def published(**changes):
    """Such a row that may be published, as a table."""
    return pd.DataFrame([row(**{"train_images": 1437, **changes})])


@pytest.fixture
def mnist_root():
    """A data root that holds the real MNIST, or a skipped test."""
    root = settings.data_root()
    if not (root / "MNIST" / "raw" / "train-images-idx3-ubyte").exists():
        pytest.skip(f"no MNIST under {root}; set INNAE_DATA to a folder that has it")
    return root


def papermill(notebook: str, output: Path, parameters: dict, check=True) -> subprocess.CompletedProcess:
    """Run a notebook as a user would: papermill NOTEBOOK OUT -k python3 -f params.yaml."""
    output.parent.mkdir(parents=True, exist_ok=True)
    file = output.with_suffix(".yaml")
    file.write_text(yaml.safe_dump(parameters))
    command = [sys.executable, "-m", "papermill", NOTEBOOKS / notebook, output, "-k", "python3", "-f", file]
    done = subprocess.run([*map(str, command), "--no-progress-bar"], capture_output=True, text=True)
    if check:
        assert done.returncode == 0, done.stderr[-3000:]
    return done


def workflow_script(name):
    """A script of `workflow/` as a module."""
    spec = util.spec_from_file_location(f"workflow_{name}", settings.PROJECT / "workflow" / f"{name}.py")
    script = util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script
