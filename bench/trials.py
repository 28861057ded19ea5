"""What starting other interpreters ahead would bring: measured without a sandbox, as a bound.

    ./dev bench trials [--quick] [--json FILE] [--write DOCUMENT]

For each that is installed: a hello started as ever, beside what could take the place of that start. A
fork of the interpreter, warm, that loads and runs the program and is waited for: what a zygote saves.
For Node.js and Java, which have threads, what their makers offer: a snapshot, an archive of classes.
Both sides in turns. The service's own languages are in bench.py.
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import about
import report
from harness import percentile, timed

# Each writes the milliseconds of its forks, one a line. {program} is loaded, {n} times.
RUBY_FORKS = """
{n}.times do
  started = Process.clock_gettime(Process::CLOCK_MONOTONIC)
  pid = fork {{ load "{program}"; $stdout.flush; exit! 0 }}
  Process.wait pid
  $stderr.puts (Process.clock_gettime(Process::CLOCK_MONOTONIC) - started) * 1000
end
"""
PERL_FORKS = """
use Time::HiRes 'time'; use POSIX '_exit'; $| = 1;
for (1..{n}) {{
  my $started = time;
  my $pid = fork;
  if (!$pid) {{ do "{program}"; _exit(0) }}
  waitpid $pid, 0;
  print STDERR (time - $started) * 1000, "\\n";
}}
"""
PHP_FORKS = """<?php
for ($i = 0; $i < {n}; $i++) {{
  $started = hrtime(true);
  $pid = pcntl_fork();
  if ($pid === 0) {{ include '{program}'; flush(); posix_kill(getmypid(), 9); }}
  pcntl_waitpid($pid, $status);
  fwrite(STDERR, (hrtime(true) - $started) / 1e6 . "\\n");
}}
"""
FORKS = {  # command: (file name, hello, forks)
    "ruby": ("hello.rb", 'puts "hello"\n', RUBY_FORKS),
    "perl": ("hello.pl", 'print "hello\\n";\n1;\n', PERL_FORKS),
    "php": ("hello.php", '<?php echo "hello\\n";\n', PHP_FORKS),
}
NODE_HELLO = 'console.log("hello");\n'
NODE_SNAPSHOT = 'require("v8").startupSnapshot.setDeserializeMainFunction(() => console.log("hello"));\n'
JAVA_HELLO = 'class Hello { public static void main(String[] a) { System.out.println("hello"); } }\n'


class Trials:
    def __init__(self, folder, rounds):
        self.folder = folder
        self.rounds = rounds
        # As a job has it: what else is set here may slow a start down.
        self.env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(folder), "LANG": "C.UTF-8"}
        self.rows = []

    def all(self):
        for command, (name, hello, forks) in FORKS.items():
            if shutil.which(command):
                self.forks(command, self.write(name, hello), forks)
        if shutil.which("node"):
            self.node()
        if all(map(shutil.which, ("java", "javac", "jar"))):
            self.java()
        return self.rows

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

    def forks(self, command, program, forks):
        source = self.write("forks" + program.suffix, forks.format(n=self.rounds, program=program))
        plain = percentile([timed(self.hello, [command, program]) for _ in range(self.rounds)], 50)
        ran = subprocess.run([command, source], capture_output=True, text=True, check=True,
                             env=self.env)
        times = [float(line) for line in ran.stderr.split()]
        if ran.stdout != "hello\n" * self.rounds or len(times) != self.rounds:
            raise RuntimeError(f"{command}: {ran.stdout[:200]!r} {ran.stderr[:200]!r}")
        self.add(command, "fork", plain, percentile(times, 50))

    def node(self):
        hello, blob = self.write("hello.js", NODE_HELLO), self.folder / "hello.blob"
        entry = self.write("entry.js", NODE_SNAPSHOT)
        self.run(["node", "--snapshot-blob", blob, "--build-snapshot", entry])
        self.in_turns("node", "snapshot of the program", ["node", hello], ["node", "--snapshot-blob", blob])

    def java(self):
        self.write("Hello.java", JAVA_HELLO)
        self.run(["javac", "-d", self.folder, self.folder / "Hello.java"])
        program, archive = self.folder / "hello.jar", self.folder / "hello.jsa"
        self.run(["jar", "--create", "--file", program, "-C", self.folder, "Hello.class"])
        plain = ["java", "-cp", program, "Hello"]
        self.run(["java", f"-XX:ArchiveClassesAtExit={archive}", *plain[1:]])
        self.in_turns("java", "archive of classes (AppCDS)", plain,
                      ["java", f"-XX:SharedArchiveFile={archive}", *plain[1:]])

    def in_turns(self, command, what, plain, other):
        times = [(timed(self.hello, plain), timed(self.hello, other)) for _ in range(self.rounds)]
        self.add(command, what, *(percentile(list(side), 50) for side in zip(*times)))

    def add(self, command, what, plain, other):
        self.rows.append({"command": command, "what": what, "plain_ms": plain, "ms": other})

    def run(self, argv):
        return subprocess.run([str(word) for word in argv], capture_output=True, check=True,
                              cwd=self.folder, env=self.env).stdout

    def hello(self, argv):
        if self.run(argv) != b"hello\n":
            raise RuntimeError(f"{argv} does not say hello")


def main():
    parser = argparse.ArgumentParser(prog="./dev bench trials", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer samples")
    parser.add_argument("--json", metavar="FILE", help="keep the numbers there")
    parser.add_argument("--write", metavar="DOCUMENT", help="put the table into it")
    options = parser.parse_args()
    machine = about.machine("./dev bench trials")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        rows = Trials(pathlib.Path(folder), 10 if options.quick else 40).all()
    if not rows:
        sys.exit("bench: none of " + ", ".join([*FORKS, "node", "java"]) + " is installed")
    numbers = {"about": machine, "rows": rows}
    print(report.trials_document(numbers))
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(numbers, indent=1) + "\n")
    if options.write:
        report.write(options.write, numbers, "bench trials")


if __name__ == "__main__":
    main()
