# Stands before every Python attack (tests/e2e/attacks.py). An attack prints one line a step,
# "step: outcome"; its header says which outcome is right.
import ctypes
import errno
import os
import sys

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long

# Numbers of x86-64.
NR = {
    "mmap": 9, "msync": 26, "madvise": 28, "shmget": 29, "shmat": 30, "semget": 64, "msgget": 68,
    "clone": 56, "fork": 57, "vfork": 58, "kill": 62, "ptrace": 101, "syslog": 103,
    "setuid": 105, "setgid": 106, "setreuid": 113, "setgroups": 116, "setresuid": 117,
    "setresgid": 119, "capset": 126, "mknod": 133, "personality": 135, "ustat": 136, "sysfs": 139,
    "sched_setparam": 142, "sched_setscheduler": 144, "mlockall": 151, "vhangup": 153,
    "modify_ldt": 154, "pivot_root": 155, "prctl": 157, "adjtimex": 159, "setrlimit": 160,
    "chroot": 161, "sync": 162, "acct": 163, "settimeofday": 164, "mount": 165, "umount2": 166,
    "swapon": 167, "swapoff": 168, "reboot": 169, "sethostname": 170, "setdomainname": 171,
    "iopl": 172, "ioperm": 173, "init_module": 175, "delete_module": 176, "quotactl": 179,
    "io_setup": 206, "lookup_dcookie": 212, "remap_file_pages": 216, "clock_settime": 227,
    "mbind": 237, "set_mempolicy": 238, "mq_open": 240, "kexec_load": 246, "add_key": 248,
    "request_key": 249, "keyctl": 250, "ioprio_set": 251, "migrate_pages": 256, "mknodat": 259,
    "unshare": 272, "get_robust_list": 274, "splice": 275, "tee": 276, "vmsplice": 278,
    "move_pages": 279, "perf_event_open": 298, "fanotify_init": 300, "prlimit64": 302,
    "name_to_handle_at": 303, "open_by_handle_at": 304, "clock_adjtime": 305, "syncfs": 306,
    "setns": 308, "process_vm_readv": 310, "process_vm_writev": 311, "kcmp": 312,
    "finit_module": 313, "sched_setattr": 314, "seccomp": 317, "memfd_create": 319,
    "kexec_file_load": 320, "bpf": 321, "execveat": 322, "userfaultfd": 323,
    "copy_file_range": 326, "pkey_mprotect": 329, "pidfd_send_signal": 424, "io_uring_setup": 425,
    "io_uring_enter": 426, "io_uring_register": 427, "open_tree": 428, "move_mount": 429,
    "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433, "pidfd_open": 434,
    "clone3": 435, "openat2": 437, "pidfd_getfd": 438, "process_madvise": 440,
    "mount_setattr": 442, "quotactl_fd": 443, "landlock_create_ruleset": 444,
    "landlock_restrict_self": 446, "memfd_secret": 447, "process_mrelease": 448,
    "set_mempolicy_home_node": 450, "cachestat": 451, "map_shadow_stack": 453, "statmount": 457,
    "listmount": 458, "lsm_get_self_attr": 459, "lsm_set_self_attr": 460, "mseal": 462,
    "setxattrat": 463, "open_tree_attr": 467,
}


def say(step, outcome):
    print(f"{step}: {outcome}", flush=True)


def errno_name(number):
    return errno.errorcode.get(number, f"errno {number}")


def attempt(step, action):
    """Says "done", what the action returned, or the name of its errno."""
    try:
        value = action()
    except OSError as error:
        say(step, errno_name(error.errno) if error.errno else type(error).__name__)
        return None
    say(step, "done" if value is None else value)
    return value


def raw(name, *arguments):
    """The system call's result, or -errno."""
    ctypes.set_errno(0)
    number = NR[name] if isinstance(name, str) else name
    result = libc.syscall(ctypes.c_long(number), *(
        ctypes.c_long(a) if isinstance(a, int) else a for a in arguments))
    return -ctypes.get_errno() if result == -1 else result


def call(name, *arguments, step=None):
    """Says what became of a system call: "done", or the name of its errno."""
    result = raw(name, *arguments)
    say(step or name, errno_name(-result) if result < 0 else "done")
    return result


def own_status():
    """The fields of /proc/self/status."""
    with open("/proc/self/status") as f:
        return {name: value.strip() for name, _, value in (line.partition(":") for line in f)}
