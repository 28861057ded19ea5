# tries = "find a descriptor or folder that still leads to the host's root (CVE-2024-21626)"
# verdict = "ok"
# expect = { "found" = "none" }
found = []
for fd in range(64):
    for path in (f"/proc/self/fd/{fd}/etc/shadow", f"/proc/self/fd/{fd}/../../../etc/shadow", f"/dev/fd/{fd}/etc/shadow"):
        if os.path.exists(path):
            found.append(path)
for name in ("root", "cwd", "exe", "task/self/root"):
    if os.path.exists(f"/proc/self/{name}/etc/shadow"):
        found.append(name)
for number in range(1, 200):
    if os.path.exists(f"/proc/self/map_files/{number}"):
        found.append(number)
say("found", found or "none")
