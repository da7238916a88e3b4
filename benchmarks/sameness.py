"""Does the fast path learn the same? Short equal trainings of the float32 baseline and of ours, over three seeds.

Usage: python benchmarks/sameness.py [--threads N] [--inn-steps 100] [--classic-steps 2000] [--seeds 3]
       [--models classic,inn] [--precision bf16] [--schedule recipe] [--data-root DIR]

MNIST, `inn` and `classic`, bottlenecks 12 and 32, three seeds or more: equal initial weights, equal batches, the same
number of steps, and the recipe's learning rates in the same shares of them (`--schedule constant`: the first one
throughout). The question is whether the mean of our test L1 (2,000 test images, float32) lies within the baseline's own
spread over seeds, and how far the two are apart at the same seed.
"""

import argparse
import statistics
import sys
from collections.abc import Iterator
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


def learning_rates(recipe: settings.Recipe, steps: int, schedule: str) -> list[float]:
    """The learning rate of every step: the recipe's, its epochs shrunk to so many steps, or the first one throughout.

    Example:
        >>> recipe = settings.find_recipe("mnist", "inn", "paper")  # ten epochs, one drop after the eighth
        >>> learning_rates(recipe, 5, "recipe"), learning_rates(recipe, 2, "constant")
        ([0.001, 0.001, 0.001, 0.001, 0.0001], [0.001, 0.001])
    """
    epochs = [1 + step * recipe.epochs // steps if schedule == "recipe" else 1 for step in range(steps)]
    return [recipe.learning_rate(epoch) for epoch in epochs]


def paced(chosen: list[tuple[torch.Tensor, float]], optimizer: torch.optim.Optimizer) -> Iterator[torch.Tensor]:
    """The index batches, the optimiser's learning rate set to that of each."""
    for index, rate in chosen:
        optimizer.param_groups[0]["lr"] = rate
        yield index


def train_both(
    model: str, bottleneck: int, seed: int, steps: int, root: str, precision: str, schedule: str
) -> dict[str, float]:
    """Test L1 of the baseline and of ours after equal trainings from equal weights."""
    recipe = settings.find_recipe("mnist", model, "paper")
    images, test = data.load("mnist", "train", root), data.load("mnist", "test", root, limit=TEST_IMAGES)
    chosen = list(zip(batches(images, recipe, seed, steps), learning_rates(recipe, steps, schedule), strict=True))
    plain = baseline.build(model, "mnist", bottleneck, seed).train()
    adam = baseline.optimizer(plain, recipe)
    for index in paced(chosen, adam):
        baseline.step(plain, images.batch(index), adam)
    ours = models.build(model, "mnist", bottleneck, seed=seed).train()
    train.set_training(ours, precision)
    fused = train.make_optimizer(ours, recipe)
    for index in paced(chosen, fused):
        train.step(ours, images.batch(index), recipe, fused)
    return {"baseline": train.evaluate(plain, test), "ours": train.evaluate(ours, test)}


def row(model: str, bottleneck: int, steps: int, found: list[dict[str, float]]) -> dict:
    """One row of the table: the test L1 of every seed, and the largest difference at the same one."""
    plain, ours = ([one[name] for one in found] for name in ("baseline", "ours"))
    return {
        "model": model, "bottleneck": bottleneck, "steps": steps, "baseline": plain, "ours": ours,
        "largest_difference": max(abs(a - b) for a, b in zip(plain, ours, strict=True)),
    }  # fmt: skip


def where(row: dict) -> str:
    """Where our mean lies beside the baseline's own spread over seeds: `within`, `below` (better) or `above`."""
    ours, plain = statistics.mean(row["ours"]), row["baseline"]
    return "within" if min(plain) <= ours <= max(plain) else "below" if ours < min(plain) else "above"


def table(report: dict) -> str:
    """A report as a Markdown table, as benchmarks/README.md has it."""
    lines = [
        f"| {report['schedule']} schedule, {report['precision']} | k | steps | seeds | baseline: mean (range), s.d. "
        "| ours: mean (range), s.d. | our mean | runs above the baseline's | largest difference |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in report["rows"]:
        plain, ours = (
            f"{statistics.mean(values):.5f} ({min(values):.5f} to {max(values):.5f}), {statistics.stdev(values):.5f}"
            for values in (row["baseline"], row["ours"])
        )
        lines.append(
            f"| {row['model']} | {row['bottleneck']} | {row['steps']} | {len(row['ours'])} | {plain} | {ours} "
            f"| {where(row)} | {sum(one > max(row['baseline']) for one in row['ours'])} "
            f"| {row['largest_difference']:.5f} |"
        )
    return "\n".join(lines)


def main(arguments: list[str]) -> None:
    """Train, print a Markdown table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--inn-steps", type=int, default=100)
    parser.add_argument("--classic-steps", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--precision", default="bf16", choices=["fp32", "bf16"])
    parser.add_argument("--schedule", default="recipe", choices=["recipe", "constant"])
    parser.add_argument("--models", default="classic,inn")
    parser.add_argument("--data-root", default="")
    parser.add_argument("--out", default=str(settings.PROJECT / "runs" / "bench"))
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    report = {"machine": bench.machine(options, torch.device("cpu")), "precision": options.precision}
    report |= {"schedule": options.schedule, "rows": []}
    for model in options.models.split(","):
        steps = options.inn_steps if model == "inn" else options.classic_steps
        for bottleneck in BOTTLENECKS:
            found = [
                train_both(model, bottleneck, seed, steps, options.data_root, options.precision, options.schedule)
                for seed in range(options.seeds)
            ]
            one = row(model, bottleneck, steps, found)
            report["rows"].append(one)
            print(table({**report, "rows": [one]}).splitlines()[-1], flush=True)
    name = f"sameness-{options.precision}-{options.schedule}-{options.models.replace(',', '-')}"
    path = Path(options.out) / f"{name}-{report['machine']['date']}.json"
    bench.write(report, path)


if __name__ == "__main__":
    main(sys.argv[1:])
