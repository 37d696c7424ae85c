#!/usr/bin/env python3
"""Backtests beside their peers: the same rows, the same strategy, in turn. See README.md.

    bench/peers/run.py [--data FILE] [--times N] [--rounds N] [--json OUT] [--pause]

Needs nothing but Python 3.10 or newer: the peers are installed into a virtual environment under `--work`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))

# What all of them do. Times in nanoseconds, prices in ticks of 0.1, sizes in coins.
ENTRY_NS = ANSWER_NS = 1_000_000
POWER = 2.0
GRID = {"orders_a_side": 20, "gap_ticks": 10, "half_ticks": 20, "size": 0.001, "inventory": 50}
EVERY_NS = 100_000_000
# Rows that nautilus_trader gets: it is so much slower that more would only take time.
NAUTILUS_ROWS = 200_000

CONFIG = """\
[engine]
orders_max = 65536
book_orders_max = 65536

[[instruments]]
symbol = "{symbol}"
asset_class = "crypto"
price_unit = "0.00000001"
tick = "0.1"
lot = "0.00000001"
[instruments.paper]
fill_model = "power:{power}"

[[accounts]]
id = 1
cash = "1000000"
[accounts.limits]
max_order_notional = "1000000"
max_order_qty = 1000000000
max_position = 1000000000
credit = "0"
price_collar_bp = 1000
max_open_orders = 10000
messages_per_sec = 100000
message_burst = 100000
"""


def main():
    args = arguments()
    work = args.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    python = environment(work)
    name = "btcusdt" if args.data.startswith("made-up") else Path(args.data).name.split(".")[0]
    config = work / "backtest.toml"
    config.write_text(CONFIG.format(symbol=name.split("_")[0], power=POWER))
    whole = prepared(args.data, name, args.times, work, python)
    runs = runners(args, config, whole, NAUTILUS_ROWS, python)
    for run in runs:
        run["program"].open()
    if args.pause:
        print("All is ready: the clock starts with the next line of input.", file=sys.stderr, flush=True)
        sys.stdin.readline()
    results = measured(runs, args.rounds)
    for run in runs:
        run["program"].close()
    print("The clock has stopped.", file=sys.stderr, flush=True)
    quarter = prepared(args.data, name, args.times // 4, work, python)
    memory(results, runners(args, config, quarter, NAUTILUS_ROWS // 4, python))
    table(results)
    if args.json:
        args.json.write_text(json.dumps(rows_of(results), indent=1) + "\n")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="made-up:500000", help="a recording (.gz), an event array, or made-up:ROWS")
    parser.add_argument("--times", type=int, default=12, help="how often it is repeated, a multiple of 4")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the results there")
    parser.add_argument("--pause", action="store_true", help="wait for a line of input before the clock starts")
    parser.add_argument("--work", type=Path, default=TARGET / "peers")
    parser.add_argument("--tidegate", type=Path, default=TARGET / "release" / "tidegate")
    parser.add_argument("--without", default="", help="peers to leave out, such as nautilus")
    args = parser.parse_args()
    if args.times < 4 or args.times % 4:
        sys.exit(f"--times {args.times}: it is no multiple of 4, and memory is measured with a quarter of it")
    if not args.tidegate.exists():
        sys.exit(f"{args.tidegate} is not there: cargo build --release -p tidegate, or name it with --tidegate")
    return args


def environment(work):
    """The python of the virtual environment, made if it is not there."""
    python = work / "venv" / "bin" / "python"
    wanted = (HERE / "requirements.txt").read_text()
    mark = work / "venv" / "installed"
    if not (mark.exists() and mark.read_text() == wanted):
        subprocess.run([sys.executable, "-m", "venv", str(work / "venv")], check=True)
        install = [str(python), "-m", "pip", "install", "-q", "-r", str(HERE / "requirements.txt")]
        subprocess.run(install, check=True)
        mark.write_text(wanted)
    return str(python)


def prepared(source, name, times, work, python):
    """The event array that all of them read."""
    out = work / f"{name}_x{times}.npy"
    mark = out.with_suffix(".source")
    made_of = f"{source}\n{(HERE / 'data.py').read_text()}"
    if not (out.exists() and mark.exists() and mark.read_text() == made_of):
        subprocess.run([python, str(HERE / "data.py"), source, str(out), str(times)], check=True)
        mark.write_text(made_of)
    return out


def runners(args, config, data, nautilus_rows, python):
    """What is run each round: which work, whose, and the program that does it."""
    spec = {
        **GRID,
        "file": str(data),
        "every_ns": EVERY_NS,
        "entry_ns": ENTRY_NS,
        "answer_ns": ANSWER_NS,
        "power": POWER,
        "tick": 0.1,
        "lot": 0.001,
        "roi": [50_000.0, 70_000.0],
        "position_max": GRID["inventory"] * GRID["size"],
        "rows_max": nautilus_rows,
    }
    binary = str(args.tidegate.resolve())
    ours = [binary, "backtest", str(data), "--config", str(config), "--interval", "100ms"]
    ours += ["--latency", "1ms", "--answer-latency", "1ms", "--output", "json", "--strategy"]
    grid = {
        "size": round(GRID["size"] * 1e8),
        "orders": GRID["orders_a_side"],
        "gap": GRID["gap_ticks"],
        "half": GRID["half_ticks"],
        "inventory": GRID["inventory"],
        "every_ms": EVERY_NS // 1_000_000,
    }
    params = [text for name, value in grid.items() for text in ("--param", f"{name}={value}")]
    strategies = {"replay": ["idle"], "grid": ["grid", *params]}
    rows = (data.stat().st_size - 128) // 64
    runs = [{"work": "decode", "who": "tidegate", "program": Ours([binary, "stats", str(data)], rows)}]
    for work, strategy in strategies.items():
        runs.append({"work": work, "who": "tidegate", "program": Ours([*ours, *strategy], rows)})
        for depth in ["hash", "roi"] if "hftbacktest" not in args.without else []:
            told = json.dumps({**spec, "work": work, "depth": depth})
            program = Peer([python, str(HERE / "hft.py"), told])
            runs.append({"work": work, "who": f"hftbacktest {depth}", "program": program})
        if "nautilus" not in args.without:
            program = Peer([python, str(HERE / "nautilus.py"), json.dumps({**spec, "work": work})])
            runs.append({"work": work, "who": "nautilus_trader", "program": program})
    return runs


class Ours:
    """One process a run: all of it counts, from its start to its report."""

    def __init__(self, command, rows):
        self.command, self.rows = command, rows

    def open(self):
        pass

    def close(self):
        pass

    def run(self):
        begin = time.perf_counter()
        process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        if status:
            sys.exit(f"{' '.join(self.command)} failed:\n{process.stderr.read().decode()}")
        found = {"seconds": seconds, "rows": self.rows, "rss_mib": usage.ru_maxrss // 1024}
        found["cpu_seconds"] = usage.ru_utime + usage.ru_stime
        if "json" in self.command:
            report = json.loads(out)
            found["sent"] = report["orders"]["orders"]
            found["fills"] = report["orders"]["maker_fills"] + report["orders"]["taker_fills"]
            found["traded"] = float(report["result"]["traded"])
            found["profit"] = float(report["result"]["profit"])
            found["state_hash"] = report["state_hash"]
        return found


class Peer:
    """One process for all runs: what it prepares is done once, before the clock starts."""

    def __init__(self, command):
        self.command, self.process = command, None

    def open(self):
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(self.command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        self.answer("ready")

    def close(self):
        self.process.stdin.close()
        self.process.wait()

    def run(self):
        print(file=self.process.stdin, flush=True)
        return json.loads(self.answer("{"))

    def answer(self, begin):
        """The next line that begins so; there may be others before it, of the peer itself."""
        for line in self.process.stdout:
            if line.startswith(begin):
                return line
        sys.exit(f"{' '.join(self.command)} failed:\n{self.process.stderr.read()}")


def measured(runs, rounds):
    """Runs all of them in turn, `rounds` times."""
    found = [{"work": run["work"], "who": run["who"], "rounds": []} for run in runs]
    for number in range(rounds):
        for result, run in zip(found, runs):
            result["rounds"].append(run["program"].run())
            rate = rate_of(result["rounds"][-1])
            print(
                f"round {number + 1}: {result['work']:8}{result['who']:20}{rate / 1e6:8.2f} million rows/s",
                file=sys.stderr,
            )
    for result in found:
        result["rows_per_second"] = statistics.median(map(rate_of, result["rounds"]))
    return found


def memory(results, runs):
    """The most memory of the first run, beside that of a run over a quarter of the rows."""
    for result, run in zip(results, runs):
        run["program"].open()
        result["rss_mib_quarter"] = run["program"].run()["rss_mib"]
        run["program"].close()
        result["rss_mib"] = result["rounds"][0]["rss_mib"]


def rate_of(run):
    return run["rows"] / run["seconds"]


def pairs(results):
    """Ours and a peer's result of the same work."""
    for result in results:
        if result["who"] != "tidegate":
            mine = next(r for r in results if r["who"] == "tidegate" and r["work"] == result["work"])
            yield mine, result


WORK = {
    "replay": "rows of levels and trades played, a look every 100 ms",
    "grid": "the same, 40 orders kept, latency both ways, a queue model",
}


def rows_of(results):
    """What a table of figures has: ours beside a peer's, and how many times better ours is."""
    rows = []
    for mine, peer in pairs(results):
        name, both = f"backtest_{mine['work']}/{peer['who']}", [mine, peer]
        what = f"{WORK[mine['work']]}; beside {peer['who']}"
        rates = [r["rows_per_second"] / 1e6 for r in both]
        rounds = [[round(rate_of(run) / 1e6, 3) for run in runs] for runs in zip(mine["rounds"], peer["rounds"])]
        rows.append({**row(name, what, rates, "million rows/s", rates[0] / rates[1]), "rounds": rounds})
        if mine["work"] == "grid":
            sizes, quarters = [[r[key] for r in both] for key in ("rss_mib", "rss_mib_quarter")]
            what = f"its memory at most; beside {peer['who']}"
            rows.append(row(f"{name}/memory", what, sizes, "MiB", sizes[1] / sizes[0]))
            growth = [size / quarter for size, quarter in zip(sizes, quarters)]
            what = f"its memory over four times the rows; beside {peer['who']}"
            rows.append(row(f"{name}/growth", what, growth, "times", growth[1] / growth[0]))
    return rows


def row(name, what, values, unit, ratio):
    ours, peer = (round(value, 3) for value in values)
    return {"name": name, "what": what, "ours": ours, "peer": peer, "unit": unit, "ratio": round(ratio, 3)}


def table(results):
    print(
        "| work | who | million rows/s | ours is | orders | fills | traded | profit | MiB | a quarter of the rows: MiB |\n"
        f"|{'---|' * 10}"
    )
    ratios = {(r["work"], r["who"]): m["rows_per_second"] / r["rows_per_second"] for m, r in pairs(results)}
    for result in results:
        first = result["rounds"][0]
        ratio = ratios.get((result["work"], result["who"]))
        traded, profit = (f"{first[key]:.2f}" if first.get(key) else "" for key in ("traded", "profit"))
        print(
            f"| {result['work']} | {result['who']} | {result['rows_per_second'] / 1e6:.3f} "
            f"| {f'{ratio:.2f} x' if ratio else ''} | {first.get('sent', '')} | {first.get('fills', '')} | {traded} "
            f"| {profit} | {result['rss_mib']} | {result['rss_mib_quarter']} |"
        )


if __name__ == "__main__":
    main()
