# tries = "fill /box, /tmp and /dev/shm, whose pages are the job's memory"
# verdict = "memory_limit"
# needs = ["cgroup"]
chunk = b"x" * (1 << 20)
for folder in ("/box", "/tmp", "/dev/shm"):
    written = 0
    try:
        with open(folder + "/fill", "wb", buffering=0) as f:
            while True:
                written += f.write(chunk)
    except OSError as error:
        say(folder, f"{errno_name(error.errno)} after {written >> 20} MiB")
