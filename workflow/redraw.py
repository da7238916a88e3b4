"""What `make figures ROWS=published` runs: draw from the published rows alone, with no image, no training, no sweep.

Usage: python workflow/redraw.py [dataset=all] [figures=FOLDER] [bottleneck=K] [models=...] [recipes=...]

`all` draws figures 5 and 6 of every data set that has published rows, and the whole of figure 5 in one sheet. The
digits' curves that `make figures` trains, and MNIST's that the paper has, are drawn again by themselves, into
`in_short/` of the figures' folder; of a data set whose losses have been split, whose live units counted, whose networks
made deeper, or whose encoders were given new decoders, those figures, too.
`models` and `recipes` are lists with commas: figures 5 and 6 of one data set are drawn with these curves alone, into a
folder of their own.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from innae_utils import depth, parameters, publishing, results, settings, sweeps

PICKED = ("models", "recipes")
NAMES = ("dataset", "figures", "bottleneck", *PICKED)
MEASURED = {  # notebooks that draw what was measured after training, and how its tables' names begin
    "25_encoder_or_decoder.ipynb": "codes", "26_dead_units.ipynb": "units", "28_fresh_decoder.ipynb": "fresh",
}  # fmt: skip
IN_SHORT = {
    "digits": {"models": "inn,classic", "recipes": "paper,late"},  # what `make figures` draws
    "mnist": {  # what the paper draws; all five have been run at 64
        "models": ",".join(settings.DATASETS["mnist"].models),
        "recipes": "paper",
        "bottleneck": 64,
    },
}


def jobs(given: dict[str, str]) -> list[tuple[str, dict]]:
    """The notebooks to run, each with its parameters. Raises ParameterError if a name or value is not known."""
    parameters.refuse_unknown(given, NAMES, "drawing published rows")
    dataset = given.get("dataset", "all")
    rows = publishing.published()
    there = [name for name in settings.DATASETS if name in set(rows[rows["model"] != "pca"]["dataset"])]
    if dataset not in ("all", *there):
        known = ", ".join(["all", *there])
        raise settings.ParameterError(f"dataset: no row of {dataset!r} is published; allowed: {known}")
    bottleneck = given.get("bottleneck", "0")
    if not bottleneck.isdecimal():
        raise settings.ParameterError(f"bottleneck: {bottleneck!r} is not a number; allowed: one of the published")
    picked = {name: given[name] for name in PICKED if given.get(name)}
    if picked:
        one, wrong = " and ".join(picked), []
        wrong += [f"dataset: {one} pick curves of one; allowed: {', '.join(there)}"] if dataset == "all" else []
        wrong += [] if given.get("figures") else [f"figures: is missing; {one} would replace the whole figures"]
        settings.stop_if(wrong, "Drawing")
        sweeps.check_sweep({"dataset": dataset, **picked}, ("dataset", *PICKED))
    folder = str(Path(given.get("figures") or settings.PROJECT / "figures").expanduser().absolute())
    settings.stop_if(parameters.check_writable("figures", Path(folder)), "Drawing")
    common = {"rows": "published", "figures": folder, **picked}
    names = there if dataset == "all" else [dataset]
    deeper = set(depth.beside_shallower(rows)["dataset"])
    own = [("20_figures_5_and_6.ipynb", {**common, "dataset": name, "bottleneck": int(bottleneck)}) for name in names]
    own += [
        (notebook, {**common, "dataset": name})
        for notebook, kind in MEASURED.items()
        for name in names
        if (publishing.PUBLISHED / f"{kind}_{name}.csv").exists() and not picked
    ]
    own += [("27_depth.ipynb", {**common, "dataset": name}) for name in names if name in deeper and not picked]
    own += [
        ("20_figures_5_and_6.ipynb", {**common, "dataset": name, **IN_SHORT[name], "figures": f"{folder}/in_short"})
        for name in names
        if name in IN_SHORT and not picked
    ]
    return [*own, *([("23_whole_figure_5.ipynb", common)] if dataset == "all" else [])]


def run(notebook: str, given: dict) -> int:
    """Execute a notebook, print the files it names, and return papermill's exit code."""
    with tempfile.TemporaryDirectory() as folder:
        file, out = Path(folder) / "params.yaml", Path(folder) / "out.ipynb"
        file.write_text(yaml.safe_dump(given))
        command = [sys.executable, "-m", "papermill", settings.PROJECT / "notebooks" / notebook, out, "-k", "python3"]
        command += ["-f", file, "--log-output", "--no-progress-bar", "--start-timeout", "300"]
        done = subprocess.run([*map(str, command)], capture_output=True, text=True)
    said = (done.stdout + done.stderr).splitlines()
    for line in said if done.returncode == 0 else said[-12:]:
        if done.returncode or line.startswith((given["figures"], "left out:", "no reconstructions")):
            print(line, flush=True)
    return done.returncode


def main(arguments: list[str]) -> int:
    """Draw everything that was asked for; 0 if all is drawn, 2 if a parameter is wrong."""
    try:
        todo = jobs(sweeps.read_pairs(arguments))
    except (settings.ParameterError, results.ResultError) as error:
        print(error, file=sys.stderr)
        return 2
    return next((code for code in [run(*job) for job in todo] if code), 0)  # negative: killed by a signal


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
