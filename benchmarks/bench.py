"""What `make bench` runs: our training step against the plain float32 baseline, alternating in one process.

Usage: python benchmarks/bench.py [--threads N] [--seconds S] [--only mnist-inn,cifar10-classic] [--out FOLDER]
       [--skip memory,data,side,startup,figures] [--device auto] [--precision auto]

A ratio is baseline time / our time of the same pair, so that a machine that slows down slows both. It is of the step
alone, its batch ready; data are timed apart. The share of the ceiling is FLOPs a step / time / the best rate that this
machine reached in a large matrix product or convolution of the same precision, measured at the start. Memory is the
peak of a process of its own, above what imports take. Side by side: some processes train the same model at once, each
with its share of the threads; their images a second are added up. What is measured is written after every part.
"""

import argparse
import datetime
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))
import baseline
import plan

from innae_utils import data, models, results, settings, train

CASES = [f"{dataset}-{model}" for dataset in ("mnist", "cifar10", "celeba") for model in ("inn", "classic")]
VARIANTS = ("baseline", "ours", "recompute")


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument(
        "--seconds", type=float, default=30, help="time for the pairs of one case; three pairs at least"
    )
    parser.add_argument("--only", default=",".join(CASES), help="cases, with commas")
    parser.add_argument("--skip", default="", help="memory, data, side, startup, figures")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto", choices=settings.PRECISIONS, help="of our step")
    parser.add_argument("--out", default=str(settings.PROJECT / "runs" / "bench"), help="a folder for the JSON")
    parser.add_argument("--rate-of", nargs=2, metavar=("CASE", "SECONDS"), help=argparse.SUPPRESS)
    parser.add_argument("--memory-of", nargs=2, metavar=("VARIANT", "CASE"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    unknown = [case for case in options.only.split(",") if case not in CASES]
    if unknown:
        parser.error(f"unknown case {', '.join(unknown)}; allowed: {', '.join(CASES)}")
    return options


def make_step(variant: str, case: str, device: torch.device, precision: str):
    """(a function that trains one step, its batch size, its precision) of a variant of a case."""
    dataset, model = case.split("-")
    recipe = settings.find_recipe("cifar10" if dataset == "celeba" else dataset, model, "paper")
    batch = 32 if dataset == "celeba" else recipe.batch_size
    shape = settings.MODELS[dataset][model].shape
    pixels = torch.randint(0, 256, (batch, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    images = data.Images(pixels).to(device)
    if variant == "baseline":
        network = baseline.build(model, dataset, 64, seed=0).to(device).train()
        adam = baseline.optimizer(network, recipe)
        x = images.batch(slice(None))
        return (lambda: baseline.step(network, x, adam)), batch, "fp32"
    network = models.build(model, dataset, 64, seed=0).to(device).train()
    precision = train.pick_precision(precision, images)
    train.set_training(network, precision, recompute=variant == "recompute")
    one_step = train.stepper(network, recipe, train.make_optimizer(network, recipe))
    return (lambda: one_step(images.batch(slice(None)), None)), batch, precision


def timed(step, device: torch.device) -> float:
    """Seconds of one step, the device's work included."""
    started = time.perf_counter()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started


def alternate(steps: dict, device: torch.device, seconds: float) -> dict[str, list[float]]:
    """The times of every step, in turn, until the time is up; the first rounds are not counted, three rounds are."""
    for _ in range(train.first_steps(device)):
        for step in steps.values():
            timed(step, device)
    times: dict[str, list[float]] = {name: [] for name in steps}
    started = time.perf_counter()
    while len(times["ours"]) < 3 or (time.perf_counter() - started < seconds and len(times["ours"]) < 200):
        for name, step in steps.items():
            times[name].append(timed(step, device))
    return times


def ceiling(precision: str, device: torch.device) -> float:
    """The best FLOP/s of a large matrix product and a large convolution in a precision."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    on_gpu = device.type == "cuda"
    side, batch = (8192, 2048) if on_gpu else (2048, 128)  # a GPU is done with little before its clock is read
    a = torch.randn(side, side, dtype=dtype, device=device)
    x = torch.randn(batch, 128, 16, 16, dtype=dtype, device=device).to(memory_format=torch.channels_last)
    w = torch.randn(128, 128, 3, 3, dtype=dtype, device=device).to(memory_format=torch.channels_last)
    work = {
        lambda: a @ a: 2 * side**3,
        lambda: torch.nn.functional.conv2d(x, w, padding=1): 2 * batch * 16 * 16 * 128 * 128 * 9,
    }
    return max(flops / min(timed(call, device) for _ in range(8)) for call, flops in work.items())


def spread(values: list[float]) -> dict[str, float]:
    """Median, quartiles and number of some values."""
    low, middle, high = statistics.quantiles(values, n=4) if len(values) > 1 else values * 3
    return {"median": middle, "low": low, "high": high, "n": len(values)}


def measure(case: str, device: torch.device, seconds: float, ceilings: dict[str, float], precision: str) -> dict:
    """One row of the table."""
    names = VARIANTS if case == "celeba-inn" else VARIANTS[:2]
    built = {name: make_step(name, case, device, precision) for name in names}
    with FlopCounterMode(display=False) as counter:
        built["baseline"][0]()
    flops = counter.get_total_flops()
    times = alternate({name: step for name, (step, *_) in built.items()}, device, seconds)
    _, batch, precision = built["ours"]
    row = {"case": case, "batch": batch, "precision": precision, "gflop_a_step": flops / 1e9}
    row["ratio"] = spread([a / b for a, b in zip(times["baseline"], times["ours"], strict=True)])
    row["seconds"] = {name: statistics.median(values) for name, values in times.items()}
    row["images_a_second"] = batch / row["seconds"]["ours"]
    row["share_of_ceiling"] = flops / row["seconds"]["ours"] / ceilings[precision]
    return row


def memory_of(variant: str, case: str, options: argparse.Namespace) -> float:
    """Peak memory of two steps in MiB above the imports', in a process of its own (on a GPU: of its tensors)."""
    line = [sys.executable, __file__, "--memory-of", variant, case, "--device", options.device]
    line += ["--precision", options.precision, "--threads", str(options.threads)]
    return float(said_by(line).split()[-1])


def said_by(line: list[str]) -> str:
    """What a command prints. If it fails, this ends with the end of what it says."""
    done = subprocess.run(line, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(line)} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def print_memory(variant: str, case: str, device: torch.device, precision: str) -> None:
    """Train two steps, on a GPU until the step is recorded and once more, and print the peak."""
    torch.randn(8, 8).requires_grad_().sum().backward()
    before = peak_mb()
    step, *_ = make_step(variant, case, device, precision)
    for _ in range(train.first_steps(device) + 1):
        step()
    print(torch.cuda.max_memory_allocated(device) / 2**20 if device.type == "cuda" else peak_mb() - before)


def peak_mb() -> float:
    """The peak of this process so far in MiB. Linux's getrusage would count the parent's size, too."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024
    return results.peak_memory_mb("cpu")


def data_path(device: torch.device) -> dict:
    """Images a second of an epoch of data alone: DataLoader with ToTensor against batches by index."""
    pixels = torch.randint(0, 256, (12_800, 1, 28, 28), dtype=torch.uint8)
    images = data.Images(pixels).to(device)

    def plain():
        for x in baseline.loader(pixels, 128):
            x.to(device)

    def ours():
        for index in data.shuffled(len(images), 128, 0, 1):
            images.batch(index.to(device))

    times = alternate({"baseline": plain, "ours": ours}, device, 10)
    ratio = spread([a / b for a, b in zip(times["baseline"], times["ours"], strict=True)])
    rates = {name: len(pixels) / statistics.median(values) for name, values in times.items()}
    return {"ratio": ratio, "images_a_second": rates}


def side_by_side(cases: list[str], device: torch.device, options: argparse.Namespace, rounds: int = 3) -> list[dict]:
    """How many runs at once train the most images a second: 1, 2, 4, 8 on a GPU, on a CPU as many as share the
    threads. The numbers of a case are measured in turn, `rounds` times."""
    numbers = [n for n in (1, 2, 4, 8) if device.type == "cuda" or options.threads % n == 0]
    each = {n: max(1, options.threads // n) for n in numbers}
    rows = []
    for case in cases:
        rates: dict[int, list[float]] = {n: [] for n in numbers}
        for _ in range(rounds):
            for n in numbers:
                rates[n].append(sum(rates_of(n, each[n], case, options)))
        for n, found in rates.items():
            place = {"case": case, "precision": options.precision, "runs": n, "threads": each[n]}
            ratio = spread([a / b for a, b in zip(found, rates[1], strict=True)])
            rows.append({**place, "images_a_second": spread(found), "ratio": ratio})
    return rows


def rates_of(n: int, threads: int, case: str, options: argparse.Namespace, seconds: float = 10) -> list[float]:
    """Images a second of each of n processes that train a case at the same time."""
    line = [sys.executable, __file__, "--rate-of", case, str(seconds), "--device", options.device]
    line += ["--precision", options.precision, "--threads", str(threads)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": environment}
    with ExitStack() as stack:
        processes = [stack.enter_context(subprocess.Popen(line, **pipes)) for _ in range(n)]
        for process in processes:
            stack.callback(process.kill)
        waiting = [process.stdout.readline() == "ready\n" for process in processes]  # each has trained a step
        if not all(waiting):
            sys.exit(f"{waiting.count(False)} of {n} processes that train {case} at once ended; why is said above")
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        return [float(process.communicate()[0]) for process in processes]


def print_rate(case: str, seconds: float, device: torch.device, precision: str) -> None:
    """Train the first steps, say so, wait for a line, train for some seconds and print the images a second."""
    step, batch, _ = make_step("ours", case, device, precision)
    for _ in range(train.first_steps(device)):
        timed(step, device)
    print("ready", flush=True)
    sys.stdin.readline()
    started, images = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        timed(step, device)
        images += batch
    print(images / (time.perf_counter() - started))


def start_up(runs: int = 5) -> dict:
    """Seconds of a quick papermill run on the CPU, less its training, and less importing torch alone."""
    whole, torch_alone = [], []
    for _ in range(runs):
        started = time.perf_counter()
        said_by([sys.executable, "-c", "import torch"])
        torch_alone.append(time.perf_counter() - started)
        whole.append(plan.start_up())
    beyond = [a - b for a, b in zip(whole, torch_alone, strict=True)]
    return {"run": spread(whole), "import_torch": spread(torch_alone), "beyond_torch": spread(beyond)}


def whole_figures(options: argparse.Namespace) -> dict:
    """Seconds of a whole `make figures` on digits, from nothing to the drawn figures, with as many cores as threads."""
    with tempfile.TemporaryDirectory() as folder:
        line = [sys.executable, str(settings.PROJECT / "workflow" / "figures.py"), "--cores", str(options.threads)]
        asked = [f"device={options.device}", f"precision={options.precision}"]
        started = time.perf_counter()
        said_by([*line, f"runs={folder}/runs", f"figures={folder}/figures", *asked])
        seconds = time.perf_counter() - started
        return {"seconds": seconds, "runs": len(results.gather(folder)), "cores": options.threads}


def machine(options: argparse.Namespace, device: torch.device) -> dict:
    """What the figures were measured on."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else results.processor()
    return {
        "device": name, "cores": os.cpu_count(), "threads": options.threads, "torch": torch.__version__,
        "date": datetime.date.today().isoformat(), "load": os.getloadavg()[0],
    }  # fmt: skip


def main(arguments: list[str]) -> None:
    """Measure, print a table, write JSON."""
    options = parse(arguments)
    torch.set_num_threads(options.threads)
    device = train.pick_device(options.device)
    with train.strict_float32(device):  # float32 is float32 on both sides, and in the ceiling
        if options.memory_of:
            print_memory(*options.memory_of, device, options.precision)
        elif options.rate_of:
            print_rate(options.rate_of[0], float(options.rate_of[1]), device, options.precision)
        else:
            report_on(options, device)


def report_on(options: argparse.Namespace, device: torch.device) -> None:
    """Measure everything that is asked for; print it, and write it as JSON, part by part."""
    skip = options.skip.split(",")
    report = {"machine": machine(options, device), "cases": []}
    if (load := report["machine"]["load"]) > plan.BUSY:
        print(f"other work is going on here: a load of {load:.1f}; times will look worse than they are")
    report["ceiling_gflops"] = {p: ceiling(p, device) / 1e9 for p in ("fp32", "bf16")}
    print(json.dumps({**report["machine"], **report["ceiling_gflops"]}))
    ceilings = {precision: rate * 1e9 for precision, rate in report["ceiling_gflops"].items()}
    cases = options.only.split(",")
    name = "".join(c if c.isalnum() else "-" for c in report["machine"]["device"].lower())
    path = Path(options.out) / f"{name}-{report['machine']['date']}-{options.threads}threads-{options.precision}.json"
    for case in cases:
        row = measure(case, device, options.seconds, ceilings, options.precision)
        gc.collect()
        if "memory" not in skip:
            names = VARIANTS if case == "celeba-inn" else VARIANTS[:2]
            row["memory_mb"] = {variant: memory_of(variant, case, options) for variant in names}
        report["cases"].append(row)
        write(report, path)
        print(line_of(row), flush=True)
    parts = {  # as `skip` calls it: as the report does, and what measures it
        "data": ("data", lambda: data_path(device)),
        "side": ("side_by_side", lambda: side_by_side([c for c in cases if c.startswith("mnist")], device, options)),
        "startup": ("start_up", start_up),
        "figures": ("figures", lambda: whole_figures(options)),
    }
    for name, (reported, part) in parts.items():
        if name not in skip:
            report[reported] = part()
            write(report, path)
    print(facts(report), side_table(report.get("side_by_side", [])), path, sep="\n")


def write(report: dict, path: Path) -> None:
    """A report, or what there is of it so far, as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with results.replacing(path) as part:
        part.write_text(json.dumps(report, indent=1) + "\n")


def table(report: dict) -> str:
    """The cases of a report as a Markdown table, as benchmarks/README.md has it."""
    lines = [
        "| step of | precision | times faster (quartiles, pairs) | baseline | ours | images/s | of ceiling | memory |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in report["cases"]:
        ratio, seconds, memory = row["ratio"], row["seconds"], row.get("memory_mb", {})
        share = f"{memory['ours']:,.0f} of {memory['baseline']:,.0f} MB" if memory else "not measured"
        lines.append(
            f"| {row['case']}, batch {row['batch']} | {row['precision']} "
            f"| **{ratio['median']:.2f}** ({ratio['low']:.2f} to {ratio['high']:.2f}, {ratio['n']}) "
            f"| {1e3 * seconds['baseline']:,.1f} ms | {1e3 * seconds['ours']:,.1f} ms | {row['images_a_second']:,.0f} "
            f"| {100 * row['share_of_ceiling']:.0f} % | {share} |"
        )
    return "\n".join(lines)


def side_table(rows: list[dict]) -> str:
    """The runs side by side as a Markdown table, as benchmarks/README.md has it; nothing if there are none."""
    if not rows:
        return ""
    lines = [
        "| runs of | at once | threads each | images/s together, median (quartiles) | to one run alone |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        rate, ratio = (
            f"{{median:{form}}} ({{low:{form}}} to {{high:{form}}})".format(**row[name])
            for name, form in (("images_a_second", ",.0f"), ("ratio", ".2f"))
        )
        lines.append(f"| {row['case']} | {row['runs']} | {row['threads']} | {rate} | {ratio} |")
    return "\n".join(lines)


def facts(report: dict) -> str:
    """What a report says beside its cases, a Markdown line each, as benchmarks/README.md has it."""
    lines = [
        "Machine: {device}, {cores} cores, {threads} thread(s), torch {torch}, {date}; load before the start "
        "{load:.1f}.".format(**report["machine"]),
        "Ceiling: {fp32:.0f} GFLOP/s in fp32, {bf16:.0f} in bf16.".format(**report["ceiling_gflops"]),
    ]
    for row in report["cases"]:
        if "recompute" in row.get("memory_mb", {}):
            memory, seconds = row["memory_mb"], row["seconds"]
            lines.append(
                f"`recompute` on {row['case']}, {row['precision']}: {memory['recompute']:,.0f} MB, "
                f"{memory['recompute'] / memory['baseline']:.0%} of the baseline's, for "
                f"{seconds['recompute'] / seconds['ours']:.2f} times our time a step."
            )
    if "data" in report:
        lines.append(
            "An epoch of data alone: {median:.0f} times the DataLoader's pace.".format(**report["data"]["ratio"])
        )
    if "start_up" in report:
        start = report["start_up"]
        lines.append(
            f"Start-up of one papermill run, nothing trained: {start['run']['median']:.1f} s; beyond importing torch "
            f"({start['import_torch']['median']:.1f} s) {start['beyond_torch']['median']:.1f} s."
        )
    if "figures" in report:
        lines.append(
            "A whole `make figures` on digits ({runs} rows, {cores} cores): {seconds:.0f} s.".format(
                **report["figures"]
            )
        )
    return "\n".join(f"- {line}" for line in lines)


def line_of(row: dict) -> str:
    """A row as one line of the table."""
    memory = "  ".join(f"{name} {value:,.0f} MB" for name, value in row.get("memory_mb", {}).items())
    times = "  ".join(f"{name} {1e3 * value:,.1f} ms" for name, value in row["seconds"].items())
    return (
        f"{row['case']:16} {row['ratio']['median']:.2f}x ({row['ratio']['low']:.2f} to {row['ratio']['high']:.2f}, "
        f"{row['ratio']['n']} pairs)  {row['precision']}  {times}  {row['images_a_second']:,.0f} images/s  "
        f"{100 * row['share_of_ceiling']:.0f} % of the ceiling  {memory}"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
