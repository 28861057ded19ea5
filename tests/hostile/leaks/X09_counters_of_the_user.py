# tries = "use up what the kernel counts by user, then end; the neighbour and the next job have their own"
# verdict = "ok"
# needs = ["uid"]
# rounds = 2
# expect = { "locks" = "[0-9]+", "pipes" = "EPERM after [0-9]+|[0-9]+" }
import fcntl

pipes, refused = [], False
for _ in range(200):
    pair = os.pipe()
    pipes.append(pair)
    try:
        fcntl.fcntl(pair[1], 1031, 1 << 20)
    except OSError as error:
        say("pipes", f"{errno_name(error.errno)} after {len(pipes)}")
        refused = True
        break
if not refused:
    say("pipes", len(pipes))
for reader, writer in pipes:
    os.close(reader)
    os.close(writer)
f = open("locks", "w+b")
for n in range(1000):
    fcntl.lockf(f, fcntl.LOCK_EX, 1, n * 2)
say("locks", n + 1)
