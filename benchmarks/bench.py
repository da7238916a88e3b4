"""What `make bench` runs: our training step against the plain float32 baseline, alternating in one process.

Usage: python benchmarks/bench.py [--threads N] [--seconds S] [--only mnist-inn,cifar10-classic] [--out FILE]
       [--skip memory,data,startup,figures] [--device auto]
       [--precision fp32]

A ratio is baseline time / our time of the same pair, so that a machine that slows down slows both. The share of the
ceiling is FLOPs a step / time / the best rate that this machine reached in a large matrix product or convolution of the
same precision, measured just before. Memory is the peak of a process of its own, above what imports take.
"""

import argparse
import datetime
import gc
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).parent))
import baseline

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
    parser.add_argument("--skip", default="", help="memory, data, startup, figures")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16"], help="of our step")
    parser.add_argument("--out", default=str(Path(__file__).parent / "results"))
    parser.add_argument("--memory-of", nargs=2, metavar=("VARIANT", "CASE"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    unknown = [case for case in options.only.split(",") if case not in CASES]
    if unknown:
        parser.error(f"unknown case {', '.join(unknown)}; allowed: {', '.join(CASES)}")
    return options


def make_step(variant: str, case: str, device: torch.device, precision: str):
    """(a function that trains one step, its batch size) of a variant of a case."""
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
        return (lambda: baseline.step(network, x, adam)), batch
    network = models.build(model, dataset, 64, seed=0).to(device).train()
    train.set_training(network, precision, recompute=variant == "recompute")
    adam = train.make_optimizer(network, recipe)
    return (lambda: train.step(network, images.batch(slice(None)), recipe, adam)), batch


def timed(step, device: torch.device) -> float:
    """Seconds of one step, the device's work included."""
    started = time.perf_counter()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started


def alternate(steps: dict, device: torch.device, seconds: float) -> dict[str, list[float]]:
    """The times of every step, in turn, until the time is up; a first round is not counted, three rounds are."""
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
    a = torch.randn(2048, 2048, dtype=dtype, device=device)
    x = torch.randn(128, 128, 16, 16, dtype=dtype, device=device).to(memory_format=torch.channels_last)
    w = torch.randn(128, 128, 3, 3, dtype=dtype, device=device).to(memory_format=torch.channels_last)
    work = {
        lambda: a @ a: 2 * 2048**3,
        lambda: torch.nn.functional.conv2d(x, w, padding=1): 2 * 128 * 16 * 16 * 128 * 128 * 9,
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
    batch = built["ours"][1]
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
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def print_memory(variant: str, case: str, device: torch.device, precision: str) -> None:
    """Train two steps and print the peak."""
    torch.randn(8, 8).requires_grad_().sum().backward()
    before = peak_mb()
    step, *_ = make_step(variant, case, device, precision)
    step(), step()
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


def start_up(runs: int = 5) -> dict:
    """Seconds of a quick papermill run, less its training, and less importing torch alone."""
    whole, torch_alone = [], []
    for _ in range(runs):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import torch"], check=True)
        torch_alone.append(time.perf_counter() - started)
        with tempfile.TemporaryDirectory() as folder:
            parameters = json.dumps({"preset": "quick", "run_dir": folder})
            notebook = settings.PROJECT / "notebooks" / "10_train.ipynb"
            line = [
                sys.executable,
                "-m",
                "papermill",
                str(notebook),
                f"{folder}/out.ipynb",
                "-k",
                "python3",
                "-y",
                parameters,
            ]
            started = time.perf_counter()
            subprocess.run(line, check=True, capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
            trained = json.loads((Path(folder) / "result.json").read_text())["seconds"]
            whole.append(time.perf_counter() - started - trained)
    beyond = [a - b for a, b in zip(whole, torch_alone, strict=True)]
    return {"run": spread(whole), "import_torch": spread(torch_alone), "beyond_torch": spread(beyond)}


def whole_figures(options: argparse.Namespace) -> dict:
    """Seconds of a whole `make figures` on digits, from nothing to the drawn figures, with as many cores as threads."""
    with tempfile.TemporaryDirectory() as folder:
        line = [sys.executable, str(settings.PROJECT / "workflow" / "figures.py"), "--cores", str(options.threads)]
        started = time.perf_counter()
        subprocess.run([*line, f"runs={folder}/runs", f"figures={folder}/figures"], check=True, capture_output=True)
        seconds = time.perf_counter() - started
        return {"seconds": seconds, "runs": len(results.gather(folder)), "cores": options.threads}


def machine(options: argparse.Namespace, device: torch.device) -> dict:
    """What the figures were measured on."""
    cpu = platform.processor()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), cpu)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else cpu
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
        else:
            report_on(options, device)


def report_on(options: argparse.Namespace, device: torch.device) -> None:
    """Measure everything that is asked for, print it, write JSON."""
    skip = options.skip.split(",")
    report = {"machine": machine(options, device), "cases": []}
    report["ceiling_gflops"] = {p: ceiling(p, device) / 1e9 for p in ("fp32", "bf16")}
    print(json.dumps({**report["machine"], **report["ceiling_gflops"]}))
    ceilings = {precision: rate * 1e9 for precision, rate in report["ceiling_gflops"].items()}
    for case in options.only.split(","):
        row = measure(case, device, options.seconds, ceilings, options.precision)
        gc.collect()
        if "memory" not in skip:
            names = VARIANTS if case == "celeba-inn" else VARIANTS[:2]
            row["memory_mb"] = {variant: memory_of(variant, case, options) for variant in names}
        report["cases"].append(row)
        print(line_of(row), flush=True)
    if "data" not in skip:
        report["data"] = data_path(device)
        times = report["data"]["ratio"]
        print("an epoch of data: {median:.0f}x the DataLoader ({low:.0f} to {high:.0f})".format(**times))
    if "startup" not in skip:
        report["start_up"] = start_up()
        print("start-up of a run beyond importing torch: {median:.1f} s".format(**report["start_up"]["beyond_torch"]))
    if "figures" not in skip:
        report["figures"] = whole_figures(options)
        print("make figures (digits, {runs} rows, {cores} cores): {seconds:.0f} s".format(**report["figures"]))
    folder = Path(options.out)
    folder.mkdir(parents=True, exist_ok=True)
    name = "".join(c if c.isalnum() else "-" for c in report["machine"]["device"].lower())
    path = folder / f"{name}-{report['machine']['date']}-{options.threads}threads-{options.precision}.json"
    path.write_text(json.dumps(report, indent=1) + "\n")
    print(path)


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
