# tries = "the calls with the longest history of kernel bugs"
# verdict = "ok"
# expect = { "refused" = "ENOSYS" }
for name in ("bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register",
             "memfd_secret", "kexec_load", "kexec_file_load", "fanotify_init", "name_to_handle_at",
             "open_by_handle_at", "vmsplice", "remap_file_pages", "modify_ldt", "lookup_dcookie",
             "io_setup", "migrate_pages", "move_pages", "mbind", "set_mempolicy",
             "set_mempolicy_home_node", "map_shadow_stack", "cachestat", "mseal", "process_mrelease",
             "statmount", "listmount", "lsm_set_self_attr", "quotactl", "quotactl_fd", "acct", "swapon",
             "swapoff", "reboot", "sethostname", "setdomainname", "iopl", "ioperm", "settimeofday",
             "clock_settime", "adjtimex", "clock_adjtime", "vhangup", "ustat", "sysfs", "personality"):
    if name == "personality":
        call(name, 0x0400000, step="refused")  # READ_IMPLIES_EXEC
    else:
        call(name, 0, 0, 0, 0, 0, 0, step="refused")
