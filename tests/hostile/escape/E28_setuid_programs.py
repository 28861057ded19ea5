# tries = "every setuid program that a system may have"
# verdict = "ok"
# expect = { "root" = "no" }
import subprocess

gained = "no"
for command in (["su", "-c", "id -u"], ["sudo", "-n", "id", "-u"], ["mount"], ["pkexec", "id", "-u"],
                ["newuidmap", str(os.getpid()), "0", "0", "1"], ["passwd", "-d", "root"],
                ["unshare", "-Ur", "id", "-u"], ["chsh"], ["newgrp", "root"], ["gpasswd"]):
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=1)
        if done.stdout.strip() == b"0":
            gained = command
    except (OSError, subprocess.TimeoutExpired):
        pass
say("root", gained)
