# tries = "gain a namespace or rights through newuidmap and other helpers that carry setuid or capabilities"
# verdict = "ok"
# expect = { "ids" = "1000 1000", "caps" = "0+", "effective" = "0+" }
import glob
import stat
import subprocess

helpers = [p for folder in ("/usr/bin", "/usr/sbin", "/usr/lib") for p in glob.glob(folder + "/*")
           if os.path.isfile(p) and os.stat(p).st_mode & (stat.S_ISUID | stat.S_ISGID)]
for helper in helpers:
    try:
        subprocess.run([helper], stdin=subprocess.DEVNULL, capture_output=True, timeout=0.2)
    except (OSError, subprocess.TimeoutExpired):
        pass
say("ids", f"{os.getuid()} {os.geteuid()}")
for line in open("/proc/self/status"):
    if line.startswith("CapBnd"):
        say("caps", line.split()[1])
    if line.startswith("CapEff"):
        say("effective", line.split()[1])
