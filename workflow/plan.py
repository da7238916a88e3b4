"""What `make plan` runs: the runs still to do, and how long this machine will take, before a night is spent on them.

Usage: python workflow/plan.py [--cores N] [name=value ...]   (the names of a sweep)

Of each kind of run (model and recipe) a few steps and an evaluation are timed in a process of its own, at the largest
bottleneck, with the threads and beside as many copies of itself as the sweep would run at once. Nothing is trained for
real: the images are noise of the right size, which takes the same time.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any

import slots

from figures import broken_rows, read_line, snakemake
from innae_utils import results, settings, sweeps

TIMED_SECONDS = 6.0  # of steps, for each kind
BUSY = 0.5  # from this load on, other work is in the times


def probe(arguments: list[str]) -> None:
    """Time steps and evaluation of one kind of run, and print seconds a step, seconds an image, and peak memory.

    On a GPU the data set belongs to the memory, if it would be moved there.
    """
    import torch

    from innae_utils import data, models, train

    dataset, model, recipe_name, bottleneck, threads, device, precision, recompute, image_size, *counts = arguments
    torch.set_num_threads(int(threads))
    where = train.pick_device(device)
    recipe = settings.find_recipe(dataset, model, recipe_name)
    top = settings.DATASETS[dataset].max_value
    spec = settings.spec_of(dataset, model, image_size)
    count = 512 if settings.dim_of(spec) < settings.LARGE else recipe.batch_size
    images = data.Images(torch.randint(0, top + 1, (count, *spec.shape), dtype=torch.uint8), top).to(where)
    network = models.build(model, dataset, int(bottleneck), 0, image_size).to(where).train()
    precision = train.pick_precision(precision, images)
    train.set_training(network, precision, recompute == "True")
    one_step = train.stepper(network, recipe, train.make_optimizer(network, recipe))
    batches = data.shuffled(len(images), recipe.batch_size, 0, 1)
    steps = []
    started = time.perf_counter()
    with train.strict_float32(where):  # as the training itself
        first = train.first_steps(where)  # not counted
        while len(steps) < first + 2 or time.perf_counter() - started < TIMED_SECONDS:
            clock = time.perf_counter()
            one_step(images.batch(batches[len(steps) % len(batches)].to(where)), None)
            if where.type == "cuda":
                torch.cuda.synchronize(where)
            steps.append(time.perf_counter() - clock)
    train.evaluate(network, images)
    clock = time.perf_counter()
    train.evaluate(network, images)
    evaluation = (time.perf_counter() - clock) / len(images)
    usual = sum(steps[first:]) / (len(steps) - first)
    memory = results.peak_memory_mb(str(where))
    if where.type == "cuda":
        free = torch.cuda.mem_get_info(where)[0]
        for nbytes in (int(count) * settings.dim_of(spec) for count in counts):
            if data.moves(nbytes, free):
                free, memory = free - nbytes, memory + nbytes / 2**20
    print(json.dumps({"step": usual, "image": evaluation, "memory": memory, "precision": precision}))


def timed(sweep: sweeps.Sweep, kind: tuple[str, str], threads: int, copies: int) -> dict[str, Any]:
    """What `probe` prints for a kind of run: the mean of as many copies as would run at once, on all cards in turn."""
    model, recipe = kind
    line = [
        sys.executable,
        __file__,
        "--probe",
        sweep.dataset,
        model,
        recipe,
        str(max(sweep.bottlenecks)),
        str(threads),
    ]
    line += [sweep.device, sweep.precision, str(sweep.recompute), sweep.image_size]
    line += [str(images_of(sweep)[split]) for split in ("train", "test")]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    cards = [{"CUDA_VISIBLE_DEVICES": card} for card in slots.cards(sweep.device)] or [{}]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    processes = [
        subprocess.Popen(line, env={**environment, **cards[copy % len(cards)]}, **pipes) for copy in range(copies)
    ]
    found = []
    try:
        for process in processes:
            out, error = process.communicate()
            if process.returncode:
                raise SystemExit(f"{model} {recipe} could not be timed:\n{error[-2000:]}")
            found.append(json.loads(out.splitlines()[-1]))
    finally:
        for process in processes:  # where one failed, or the plan is stopped, the others need not go on
            process.kill()
    means = {name: sum(one[name] for one in found) / len(found) for name in ("step", "image", "memory")}
    return {**means, "precision": found[0]["precision"]}


def start_up() -> float:
    """Seconds that a run takes beyond its training: a kernel, the imports, the end; of one quick run of the digits."""
    notebook = str(settings.PROJECT / "notebooks" / "10_train.ipynb")
    with tempfile.TemporaryDirectory() as folder:
        parameters = json.dumps({"preset": "quick", "run_dir": folder, "device": "cpu"})
        line = [sys.executable, "-m", "papermill", notebook, f"{folder}/out.ipynb", "-k", "python3", "-y", parameters]
        started = time.perf_counter()
        subprocess.run(line, check=True, capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
        return time.perf_counter() - started - results.read_row(Path(folder) / "result.json")["seconds"]


def seconds_of(sweep: sweeps.Sweep, kind: tuple[str, str], one: dict[str, Any], start: float) -> float:
    """The estimate for a whole run of a kind."""
    counts = images_of(sweep)
    recipe = settings.find_recipe(sweep.dataset, *kind)
    epochs = recipe.epochs
    if sweep.preset == "quick":
        few = settings.quick_of(sweep.spec(kind[0]))
        counts = {split: min(counts[split], few[f"{split}_images"]) for split in counts}
        epochs = few["epochs"]
    each = counts["train"] / recipe.batch_size
    steps = epochs * (int(each) if recipe.drop_last else -int(-each // 1))
    return start + steps * one["step"] + sum(counts.values()) * one["image"]


@cache
def images_of(sweep: sweeps.Sweep) -> dict[str, int]:
    """How many images each split has: of those that lie prepared, or of the folder, else as the data set is known.

    They are counted once; what there is to say of them is said once, too.
    """
    known = settings.DATASETS[sweep.dataset].images
    if known and not (sweep.data_root / sweep.dataset / "train_images.npy").exists():
        return dict(zip(("train", "test"), known, strict=True))
    from innae_utils import data

    return data.prepare(sweep.dataset, sweep.data_root, [sweep.spec(sweep.jobs[0].model).shape[1:]], sweep.strict)


def readable(seconds: float) -> str:
    """Seconds as a person would say them.

    Example:
        >>> readable(42), readable(600), readable(9000), readable(1_540_000)
        ('42 s', '10 min', '2 h 30 min', '17.8 days')
    """
    minutes = round(seconds / 60)
    if seconds < 100:
        return f"{seconds:.0f} s"
    if minutes >= 72 * 60:
        return f"{seconds / 86_400:.1f} days"
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def main(arguments: list[str]) -> int:
    """Print the plan; 2 if a parameter is wrong."""
    if arguments[:1] == ["--probe"]:
        probe(arguments[1:])
        return 0
    said, arguments = read_line(arguments, __doc__)
    cores = (os.cpu_count() or 1) if said == "all" else int(said)
    try:
        given = sweeps.read_pairs(arguments)
        sweep = sweeps.check_sweep(given)
    except settings.ParameterError as error:
        print(error, file=sys.stderr)
        return 2
    missing = outputs_to_make(given) | set(map(str, broken_rows(sweep)))
    todo = [job for job in sweep.jobs if str(sweep.result(job)) in missing]
    print(f"{len(sweep.jobs)} run(s) on {sweep.dataset}, {len(sweep.jobs) - len(todo)} of them there already")
    if not todo:
        return 0
    threads, load = sweep.threads_each(cores), os.getloadavg()[0]
    cards = slots.cards(sweep.device)
    at_once = max(1, min(cores // threads, len(cards) * sweep.slots or cores, len(todo)))
    start = start_up()
    total, longest, peak = 0.0, 0.0, 0.0
    for kind in dict.fromkeys((job.model, job.recipe) for job in todo):
        count = sum((job.model, job.recipe) == kind for job in todo)
        one = timed(sweep, kind, threads, at_once)
        seconds = seconds_of(sweep, kind, one, start)
        total, longest, peak = total + count * seconds, max(longest, seconds), max(peak, one["memory"])
        name = settings.curve_title(*kind)
        print(
            f"{name:24} {count:3} run(s) of {readable(seconds)} in {one['precision']}, {one['memory']:,.0f} MB each",
            flush=True,
        )
    each = -(-at_once // len(cards)) if cards else at_once
    memory = f"{each * peak:,.0f} MB at most" + (" on a card" if cards else "")
    print(f"{at_once} at once with {threads} thread(s) each: about {readable(max(longest, total / at_once))}, {memory}")
    if load > BUSY:
        print(
            f"Other work is going on here (a load of {load:.1f}): beside that it takes about this long at "
            "most, and a third of it at best."
            + " Runs with several threads suffer most, since these wait for each other: THREADS=1 may be faster now."
            * (threads > 1)
        )
    return 0


def outputs_to_make(given: dict[str, str]) -> set[str]:
    """The files that the workflow would make now, missing or made by other code: what Snakemake's dry run says."""
    command = [*snakemake(given, "all"), "--dry-run", "--quiet", "host"]
    command.insert(command.index("--config"), "--nocolor")
    done = subprocess.run(command, cwd=settings.PROJECT, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"the workflow cannot be planned:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    lines = [line.split("output:", 1)[1] for line in (done.stdout + done.stderr).splitlines() if "  output:" in line]
    return {line.strip() for line in lines}  # a run has one output, so a comma is part of its path


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
