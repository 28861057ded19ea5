"""A run's numbers as Markdown, for the terminal and for docs/performance.md. Nothing here measures,
and the same numbers give the same text."""

import json
import pathlib

import goals

BEGIN = "<!-- {name}: begin (written by ./dev bench --write, not by hand) -->"
END = "<!-- {name}: end -->"


def number(value):
    if not isinstance(value, float):
        return f"{value:,}" if isinstance(value, int) else str(value)
    size = abs(value)
    return f"{value:,.0f}" if size >= 1000 else f"{value:.1f}" if size >= 100 else f"{value:.2f}"


def table(header, rows, texts=1):
    """`texts`: how many columns hold text, from the left."""
    lines = ["| " + " | ".join(header) + " |",
             "|" + "---|" * texts + "---:|" * (len(header) - texts)]
    lines += ["| " + " | ".join(number(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _about(about):
    lines = [
        f"{about['date']}, commit {about['commit']}, `{about['command']}`. {about['cpu']}, "
        f"{about['cores']} cores, {about['memory_mib']:,} MiB; {about['os']}, Linux "
        f"{about['kernel']}; load average when it began {about['load']:.2f}.",
    ]
    if "isolation" in about:
        lines.append(
            f"Isolation {about['isolation']}, backend {about['backend']}, store {about['store']}; "
            + ", ".join(f"{name} {version}" for name, version in about["languages"].items()) + ".")
    if about["missing"]:
        lines.append("Not measured: " + "; ".join(about["missing"]) + ".")
    return "\n".join(lines) + "\n"


def _latency(rows):
    cells = []
    for name, row in rows.items():
        line = [name, row["n"]]
        for p in ("p50", "p90", "p99"):
            line += [row["job"][p], row["bare"][p], row["job"][p] / row["bare"][p]]
        cells.append(line)
    columns = [f"{p} {what}" for p in ("p50", "p90", "p99") for what in ("job", "bare", "ratio")]
    split = [[name, *row["steps"].values()] for name, row in rows.items()]
    names = {"queue": "queue", "compile": "compiling", "start": "claim to first instruction",
             "run": "program", "rest": "rest: HTTP, commits, kill and proof"}
    first = next(iter(rows.values()))
    return ("Latency of one job, milliseconds, beside the bare command; below 1 the service is "
            "faster.\n\n" + table(["case", "n", *columns], cells) +
            "\nWhere that time goes, from the jobs' own timing, p50 of each step, milliseconds.\n\n" +
            table(["case", *(names[step] for step in first["steps"])], split))


def _throughput(rows):
    cells = [[r["case"], r["clients"], r["job"], r["bare"], r["job"] / r["bare"], r["p50_ms"],
              r["p99_ms"]] for r in rows]
    return ("Throughput in a closed loop, beside as many bare commands at once, but no more than "
            "cores; above 1 the service is faster.\n\n" +
            table(["case", "clients", "jobs/s", "bare/s", "ratio", "p50, ms", "p99, ms"], cells))


PARTS = {"loop": "loop", "store_write": "store, writes", "store_read": "store, reads",
         "other_threads": "other threads", "launcher": "launcher", "sandboxes": "sandboxes",
         "client": "clients", "kernel": "kernel threads", "rest": "rest"}


def _processor(found):
    rows = found["rows"]
    parts = [[r["case"], r["clients"], r["ms"]["machine"], *(r["ms"].get(part, "") for part in PARTS),
              r["bare_ms"]] for r in rows]
    rates = [[r["case"], r["bound"], _bound_alone(r), r["per_second"], r["per_second"] / r["bound"]]
             for r in rows]
    text = ("Where the processor time goes: milliseconds for each job of clients in a closed loop, or "
            "for each test of a judge job.\n\n"
            "- machine: all processors without their idle time; the columns up to rest are its parts\n"
            "- loop, store, other threads: sandboxd's, by what they do; the loop has HTTP, service and "
            "executor\n"
            "- launcher: its one thread\n"
            "- sandboxes: all that it starts: their making, pid 1 of each, the programs, the "
            "interpreters that are forked\n"
            "- clients: the load client\n"
            "- kernel threads: those that live at the end, whomever they work for; what is left of a "
            "sandbox is taken apart by them\n"
            "- rest: interrupts, and whatever else runs on the machine\n"
            "- bare: one run of the command beside the service, which throughput is compared with\n\n")
    if found["unknown"]:
        text += f"What belongs to which process is not known: {found['unknown']}.\n\n"
    return (text + table(["case", "clients", "machine", *PARTS.values(), "bare"], parts) +
            "\nWith that much for each no more can be done in a second than the bound, cores * 1000 / "
            "machine; without rest, which others may have used, it would be higher. What was done in the "
            "same loop:\n\n" +
            table(["case", "bound", "without rest", "done", "done / bound"], rates))


def _bound_alone(row):
    parts = row["ms"]
    return row["bound"] * parts["machine"] / (parts["machine"] - parts["rest"]) if "rest" in parts else ""


def _floors(found):
    text = ("What a job cannot cost less than, measured beside the service. A write of 16 KiB that is "
            f"on the disk, as each job ends with: p50 {number(found['write_ms'])} ms, and "
            f"{number(found['new_file_ms'])} ms where it makes its file longer.\n")
    if found["go"]:
        cells = [[r["case"], r["compile"], r["link"], r["bare"], (r["compile"] + r["link"]) / r["bare"]]
                 for r in found["go"]]
        text += ("\nThe Go compiler and linker alone, called as a job calls them, milliseconds:\n\n" +
                 table(["case", "compile", "link", "`go run`", "ratio"], cells))
    if found["namespaces"]:
        cells = [["user, mount, pid, IPC, UTS", found["namespaces"]["others_ms"]],
                 ["network, besides", found["namespaces"]["network_ms"]]]
        text += ("\nProcessor time of the machine for a process in new namespaces (unshare(1)) and their "
                 "end, milliseconds more than without:\n\n" + table(["namespaces", "ms"], cells))
    return text


def _idle(row):
    return (f"{row['case']}: the first job after {row['pause_s']} s without any, its connection "
            f"included: p50 {number(row['idle_p50'])} ms of {row['n']}; busy "
            f"{number(row['busy_p50'])} ms; ratio {number(row['idle_p50'] / row['busy_p50'])}.\n")


def _burst(row):
    share = row["few_p50"] * row["clients"] / row["few"]
    return (f"{row['case']}: {row['clients']} clients at once, each on a new connection: p50 "
            f"{number(row['p50'])} ms, p99 {number(row['p99'])} ms, failures {row['failures']} "
            f"({row['n']} bursts, the middle one). {row['few']} clients in a closed loop have a p50 "
            f"of {number(row['few_p50'])} ms; for a queue so much longer that makes "
            f"{number(share)} ms; ratio {number(row['p99'] / share)}.\n")


def _interactive(rows):
    cells = [[name, r["n"], r["min"], r["p50"], r["p95"], r["p99"], f"{r['success']:.1%}"]
             for name, r in rows.items()]
    return ("Time to interactive: from the beginning of a connection until a new sandbox has "
            "answered a first Python program, milliseconds.\n\n" +
            table(["", "n", "min", "median", "p95", "p99", "success"], cells))


def _rates(name):
    return lambda row: (f"{name}, {row['clients']} clients on kept-alive connections: "
                        f"{number(row['per_second'])} a second, p50 {number(row['p50_ms'])} ms, "
                        f"p99 {number(row['p99_ms'])} ms.\n")


def _memory(row):
    return ("Memory, MiB:\n\n" + table(["", "MiB"], [
        ["sandboxd resident when idle", row["sandboxd_kib"] / 1024],
        ["all processes when idle, parked sandboxes too, proportional (PSS)",
         row["all_proportional_kib"] / 1024],
        ["sandboxd resident after the run", row["sandboxd_after_kib"] / 1024]]))


def _judge(row):
    return ("Judging and batches, seconds.\n\n" + table(["case", "service", "other", "ratio"], [
        [f"{number(row['tests'])} tests of a 1 ms C program / as many bare runs, two at a time",
         row["tests_s"], row["bare_s"], row["tests_s"] / row["bare_s"]],
        [f"submission of {number(row['jobs'])} jobs in a batch / one by one", row["batch_s"],
         row["single_s"], row["batch_s"] / row["single_s"]]]))


def _streams(row):
    return (f"{number(row['streams'])} event streams of one job that writes "
            f"{number(row['output_kib'])} KiB in pieces, result included: "
            f"{number(row['delivered_mib'])} MiB delivered in {number(row['seconds'])} s, "
            f"{number(row['cpu_ms_per_mib'])} ms of sandboxd's processor time for each MiB; memory "
            f"of each stream {number(row['waiting_kib'])} KiB while it waits, "
            f"{number(row['peak_kib'])} KiB at most.\n")


def _waits(row):
    short = "" if row["clients"] == row["wanted"] else (
        f" ({number(row['wanted'])} were wanted; the limit of open files allows no more)")
    return (f"{number(row['clients'])} long-polls{short} wait for {number(row['jobs'])} queued jobs, "
            f"which then run: memory of each {number(row['waiting_kib'])} KiB; from a job's end to "
            f"the arrival of the answer p50 {number(row['wake_p50_ms'])} ms, p99 "
            f"{number(row['wake_p99_ms'])} ms, at most {number(row['wake_max_ms'])} ms.\n")


def _backlog(points):
    first = points[0]
    cells = [[p["queued"], p["submit_us"], p["submit_us"] / first["submit_us"],
              p["lease_finish_us"], p["lease_finish_us"] / first["lease_finish_us"],
              p["memory_bytes"] // 1024] for p in points]
    return ("The SQLite store's calls with a growing queue of 100 tenants, microseconds in a "
            "transaction of 64; ratio to the first row, 1 is flat.\n\n" +
            table(["queued", "submit", "ratio", "lease and finish", "ratio", "own memory, KiB"],
                  cells))


def _docker(found):
    latency = [[name, row["n"], *(row["p50"][side] for side in ("docker", "native", "exec")),
                row["p50"]["docker"] / row["p50"]["exec"],
                row["p50"]["docker"] / row["p50"]["native"]]
               for name, row in found["latency"].items()]
    rates = [[r["case"], r["clients"], r["docker"], r["native"], r["exec"], r["docker"] / r["exec"],
              r["docker"] / r["native"]] for r in found["throughput"]]
    return ("The docker backend: latency of one job, milliseconds; exec is a bare `docker exec`.\n\n"
            + table(["case", "n", "p50 docker", "p50 native", "p50 exec", "docker/exec",
                     "docker/native"], latency) +
            "\nThe docker backend: jobs a second.\n\n" +
            table(["case", "clients", "docker/s", "native/s", "exec/s", "docker/exec",
                   "docker/native"], rates))


def _peers(rows):
    cells = [[r["case"], r["peer"], r["n"], r["ours"]["p50"], r["theirs"]["p50"],
              r["ours"]["p50"] / r["theirs"]["p50"], r["ours"]["p99"], r["theirs"]["p99"],
              r["ours_per_second"], r["theirs_per_second"],
              r["ours_per_second"] / r["theirs_per_second"]] for r in rows]
    return ("Beside peers, each over its own API, in turns: milliseconds of one job, and jobs a "
            "second of 16 clients.\n\n" +
            table(["case", "peer", "n", "p50", "p50 peer", "ratio", "p99", "p99 peer", "jobs/s",
                   "jobs/s peer", "ratio"], cells, texts=2))


def _pool(kinds):
    cells = []
    for kind, row in kinds.items():
        each = [1000 * row["seconds"][step] / max(row["built"], 1)
                for step in ("process", "view", "fork")]
        cells.append([kind, row["built"], *each, *(row["claims"][found] for found in
                                                   ("parked", "building", "none"))])
    return ("Sandboxes made ahead in this run: milliseconds that the steps of making one took, on "
            "the mean and beside the jobs; and what runs found of their kind.\n\n" +
            table(["kind", "made", "process", "view", "fork", "parked", "building", "none"], cells))


def _short(value):
    return number(int(value) if value == int(value) else value)


def _goals(found):
    rows = []
    for outcome in found:
        goal = outcome.goal
        says = {None: "not measured", True: "reached", False: "missed"}[outcome.reached]
        value = "" if outcome.value is None else _short(outcome.value) + goal.unit
        rows.append([goal.job, goal.measure, f"{goal.sense} {_short(goal.bound)}{goal.unit}", value,
                     says])
    return "Goals.\n\n" + table(["job", "measure", "goal", "this run", ""], rows, texts=3)


SECTIONS = {
    "about": _about, "latency": _latency, "throughput": _throughput, "processor": _processor,
    "floors": _floors, "idle": _idle, "burst": _burst, "interactive": _interactive,
    "polls": _rates("Status polls"),
    "submits": _rates("Durable submissions (SQLite)"), "judge": _judge, "streams": _streams,
    "waits": _waits, "memory": _memory, "pool": _pool, "backlog": _backlog, "docker": _docker,
    "peers": _peers,
}


def section(key, numbers):
    return SECTIONS[key](numbers[key])


def summary(numbers):
    """The goals and what was reached."""
    return _goals(goals.outcomes(numbers))


def document(numbers):
    """Everything, the goals first."""
    parts = [section("about", numbers), summary(numbers)]
    parts += [section(key, numbers) for key in SECTIONS if key != "about" and key in numbers]
    return "\n".join(parts)


def redis_document(numbers):
    """Of `./dev bench redis`."""
    stores = numbers["stores"]
    rates = [[what.replace("_", " "), stores["sqlite"][what], stores["redis"][what],
              stores["redis"][what] / stores["sqlite"][what]]
             for what in ("submits_per_second", "jobs_per_second")]
    first = numbers["backlog"][0]
    calls = [[row["queued"], row["submit_us"], row["submit_us"] / first["submit_us"],
              row["lease_and_finish_us"], row["lease_and_finish_us"] / first["lease_and_finish_us"],
              round(row["redis_bytes_per_job"]), row["sandboxd_kib"] / 1024]
             for row in numbers["backlog"]]
    return "\n".join([
        _about(numbers["about"]),
        f"{numbers['clients']} clients; both stores durable before they answer.\n",
        table(["", "sqlite", "redis", "ratio"], rates),
        "Round trips to Redis per job, from submission to result, polls included: "
        f"{stores['round_trips_per_job']:.2f}.\n",
        "Microseconds a call of one client without pipelining, while as many jobs wait.\n",
        table(["queued", "submit", "ratio", "lease and finish", "ratio", "Redis bytes a job",
               "sandboxd (api), MiB"], calls)])


def trials_document(numbers):
    """Of `./dev bench trials`."""
    cells = [[f"{row['command']}: {row['what']}", row["plain_ms"], row["ms"], row["ms"] / row["plain_ms"]]
             for row in numbers["rows"]]
    return "\n".join([_about(numbers["about"]), "A hello, milliseconds, p50.\n",
                      table(["", "started as ever", "ahead", "ratio"], cells)])


DOCUMENTS = {"bench": document, "bench redis": redis_document, "bench trials": trials_document}


def replace(text, body, name):
    """`text` with `body` between the two marks of that name. ValueError when they are not there
    once each, in their order."""
    begin, end = BEGIN.format(name=name), END.format(name=name)
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise ValueError(f"the lines \"{begin}\" and \"{end}\" are not there, once each")
    before, after = text.partition(begin)[0], text.partition(end)[2]
    return f"{before}{begin}\n\n{body}\n{end}{after}"


def write(path, numbers, name="bench"):
    """Puts the tables of a run into a document, and its numbers into a file beside it."""
    path = pathlib.Path(path)
    text = replace(path.read_text(), DOCUMENTS[name](numbers), name)
    beside = path.with_suffix(".json")
    kept = json.loads(beside.read_text()) if beside.exists() else {}
    kept[name] = numbers
    beside.write_text(json.dumps(kept, indent=1) + "\n")
    path.write_text(text)
