"""Does the fast path learn the same? Short equal trainings of the float32 baseline and of ours, over three seeds.

Usage: python benchmarks/sameness.py [--threads N] [--inn-steps 40] [--classic-steps 1000] [--seeds 3]
       [--models classic,inn] [--precision bf16] [--data-root DIR]

MNIST, `inn` and `classic`, bottlenecks 12 and 32, three seeds or more: equal initial weights, equal batches, the same
number of steps. The question is whether the mean of our test L1 (2,000 test images, float32) lies within the baseline's
own spread over seeds, and how far the two are apart at the same seed.
"""

import argparse
import json
import statistics
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))
import baseline
import bench

from innae_utils import data, models, settings, train

BOTTLENECKS, TEST_IMAGES = (12, 32), 2000


def batches(images: data.Images, recipe: settings.Recipe, seed: int, steps: int) -> list[torch.Tensor]:
    """The index batches of the first steps, over as many epochs as it takes."""
    each = len(images) // recipe.batch_size
    epochs = range(1, steps // each + 2)
    return [index for epoch in epochs for index in data.shuffled(len(images), recipe.batch_size, seed, epoch)][:steps]


def train_both(model: str, bottleneck: int, seed: int, steps: int, root: str, precision: str) -> dict[str, float]:
    """Test L1 of the baseline and of ours after equal trainings from equal weights."""
    recipe = settings.find_recipe("mnist", model, "paper")
    images, test = data.load("mnist", "train", root), data.load("mnist", "test", root, limit=TEST_IMAGES)
    chosen = batches(images, recipe, seed, steps)
    plain = baseline.build(model, "mnist", bottleneck, seed).train()
    adam = baseline.optimizer(plain, recipe)
    for index in chosen:
        baseline.step(plain, images.batch(index), adam)
    ours = models.build(model, "mnist", bottleneck, seed=seed).train()
    train.set_training(ours, precision)
    fused = train.make_optimizer(ours, recipe)
    for index in chosen:
        train.step(ours, images.batch(index), recipe, fused)
    return {"baseline": train.evaluate(plain, test), "ours": train.evaluate(ours, test)}


def row(model: str, bottleneck: int, steps: int, found: list[dict[str, float]]) -> dict:
    """One row of the table: means, the baseline's spread, the largest difference at the same seed, and the verdict."""
    plain, ours = ([one[name] for one in found] for name in ("baseline", "ours"))
    return {
        "model": model, "bottleneck": bottleneck, "steps": steps, "baseline": plain, "ours": ours,
        "within": min(plain) <= statistics.mean(ours) <= max(plain),
        "largest_difference": max(abs(a - b) for a, b in zip(plain, ours, strict=True)),
    }  # fmt: skip


def table(report: dict) -> str:
    """A report as a Markdown table, as benchmarks/README.md has it."""
    lines = [
        "| model | k | steps | baseline, mean (range) | ours, mean (range) | ours within | largest difference |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in report["rows"]:
        plain, ours = (
            f"{statistics.mean(values):.4f} ({min(values):.4f} to {max(values):.4f})"
            for values in (row["baseline"], row["ours"])
        )
        lines.append(
            f"| {row['model']} | {row['bottleneck']} | {row['steps']} | {plain} | {ours} "
            f"| {'yes' if row['within'] else 'no'} | {row['largest_difference']:.4f} |"
        )
    return "\n".join(lines)


def main(arguments: list[str]) -> None:
    """Train, print a Markdown table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--inn-steps", type=int, default=40)
    parser.add_argument("--classic-steps", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--precision", default="bf16", choices=["fp32", "bf16"])
    parser.add_argument("--models", default="classic,inn")
    parser.add_argument("--data-root", default="")
    parser.add_argument("--device", default="cpu", choices=["cpu"])
    parser.add_argument("--out", default=str(Path(__file__).parent / "results"))
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    report = {"machine": bench.machine(options, torch.device("cpu")), "precision": options.precision, "rows": []}
    for model in options.models.split(","):
        steps = options.inn_steps if model == "inn" else options.classic_steps
        for bottleneck in BOTTLENECKS:
            found = [
                train_both(model, bottleneck, seed, steps, options.data_root, options.precision)
                for seed in range(options.seeds)
            ]
            one = row(model, bottleneck, steps, found)
            report["rows"].append(one)
            print(table({"rows": [one]}).splitlines()[-1], flush=True)
    path = (
        Path(options.out)
        / f"sameness-{options.precision}-{options.models.replace(',', '-')}-{report['machine']['date']}.json"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
