# tries = "add filters and listeners, and change what the kernel keeps of the process"
# verdict = "ok"
# expect = { "seccomp" = "ENOSYS", "prctl" = "ENOSYS", "no new privs off" = "EINVAL", "landlock" = "ENOSYS", "filters" = "[12]", "mode" = "2" }
for operation in (0, 1, 2, 3):
    for flags in (0, 1, 4, 8):  # TSYNC, SPEC_ALLOW, NEW_LISTENER
        call("seccomp", operation, flags, 0)
for option in (4, 6, 8, 10, 12, 14, 22, 24, 28, 31, 33, 35, 43, 45, 47, 50, 53, 54, 55, 59, 63,
               0x59616D61):  # PR_SET_PTRACER
    call("prctl", option, 0, 0, 0, 0)
call("prctl", 38, 0, 0, 0, 0, step="no new privs off")
call("landlock_create_ruleset", 0, 0, 1, step="landlock")
call("landlock_restrict_self", 0, 0, step="landlock")
status = own_status()
say("filters", status["Seccomp_filters"])
say("mode", status["Seccomp"])
