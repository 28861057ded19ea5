"""The ways in which users start the service, chosen by TEST_MODE.

  as-is       as the tests themselves run; without TEST_MODE
  root        root; every level of isolation that root gets on this machine is `full`
  delegated   an ordinary user in a control group of version 2 that is delegated to that user
  container   root in a cgroup namespace of its own, beside another process, as in a container
  no-cgroup   an ordinary user without any control group, with the opt-in for that

All but the first and the last need root and a machine with control groups of version 2 alone.
"""

import errno
import os
import pathlib
import select
import signal
import subprocess

UID = 12345  # an ordinary user; needs no entry anywhere
TREE = pathlib.Path("/sys/fs/cgroup")
CONTROLLERS = "+memory +pids +cpu"
# Everything that sees only the group it was put into, as a container does.
CONTAINER = ["unshare", "--cgroup", "--mount", "sh", "-c",
             'umount /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup && exec "$@"', "sh"]


def as_user():
    """What starts a program as the ordinary user; nothing when the tests are one."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "--"]


def has_numpy():
    """Whether jobs see Debian's numpy: then one more Python is started ahead."""
    return pathlib.Path(os.environ.get("SANDBOX_ROOTFS") or "/", "usr/lib/python3/dist-packages/numpy").is_dir()


class Mode:
    """How to start one service, and what must be gone after it."""

    number = 0

    def __init__(self, name=None):
        self.name = name or os.environ.get("TEST_MODE", "as-is")
        assert self.name in ("as-is", "root", "delegated", "container", "no-cgroup"), self.name
        self.user = self.name in ("delegated", "no-cgroup") and os.geteuid() == 0
        self.group = None
        self.companion = None

    @property
    def isolation(self):
        return {"as-is": "full" if os.geteuid() == 0 else "rootless", "delegated": "rootless",
                "no-cgroup": "no-cgroup"}.get(self.name, "full")

    def environment(self, build):
        """The variables that this mode needs."""
        variables = {}
        if self.user:
            cache = build / f"cache-{UID}"
            cache.mkdir(exist_ok=True)
            os.chown(cache, UID, UID)
            variables["SANDBOX_CACHE_DIR"] = str(cache)
        if self.name == "no-cgroup":
            variables["SANDBOX_MIN_ISOLATION"] = "no-cgroup"
        return variables

    def prepare(self, folder):
        """Gives the service's folder to its user and makes its control group."""
        if self.user:
            os.chown(folder, UID, UID)
        if self.name not in ("delegated", "container") or self.group is not None:
            return
        (TREE / "cgroup.subtree_control").write_text(CONTROLLERS)
        Mode.number += 1
        self.group = TREE / f"code-sandbox-test.{os.getpid()}.{Mode.number}"
        self.group.mkdir()
        if self.name == "delegated":
            # What systemd's Delegate=yes hands over.
            for name in ("", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"):
                os.chown(self.group / name, UID, UID)
        else:
            self.companion = subprocess.Popen(["sleep", "infinity"], preexec_fn=self.enter)

    def enter(self):
        """In the child, before exec: joins the control group."""
        while self.group is not None:
            try:
                return (self.group / "cgroup.procs").write_text("0")
            except OSError as error:
                # A launcher that outlives its sandboxd for a moment has not yet made room.
                if error.errno != errno.EBUSY:
                    raise
                select.select([], [], [], 0.02)

    def command(self, program):
        if self.name == "container":
            return [*CONTAINER, program]
        return [*(as_user() if self.user else []), program]

    def close(self, eventually):
        """Fails when the service has left anything in its control group."""
        if self.companion is not None:
            self.companion.send_signal(signal.SIGKILL)
            self.companion.wait()
        if self.group is None:
            return
        group, self.group = self.group, None

        def removed():
            # The launcher cleans up after sandboxd has ended; who has just died counts for a while.
            try:
                group.rmdir()
            except OSError:
                return not group.exists()
            return True

        eventually(removed, 10, what=f"{group} without members and groups below")
