"""./dev chaos [SECONDS] [--jobs N] [--seed N]"""

import argparse
import random
import sys

from chaos.run import chaos


def main():
    parser = argparse.ArgumentParser(prog="./dev chaos", description=(
        "Kills, stops and restarts the nodes of a fleet and their Redis while clients submit jobs; "
        "then checks that every acknowledged job has exactly one result, the right one."))
    parser.add_argument("seconds", nargs="?", type=int, default=60, help="of havoc (default: 60)")
    parser.add_argument("--jobs", type=int, default=2000, help="default: 2000")
    parser.add_argument("--seed", type=int, help="of an earlier run, for the same faults again")
    options = parser.parse_args()
    seed = random.randrange(10**6) if options.seed is None else options.seed
    print(f"chaos: seed {seed}, {options.seconds} s, {options.jobs} jobs", flush=True)
    report = chaos(options.seconds, options.jobs, seed)
    for problem in report.problems:
        print(f"chaos: problem: {problem}")
    print(report.summary())
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
