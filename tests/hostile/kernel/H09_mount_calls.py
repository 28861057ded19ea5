# tries = "change the mounts by every call, old and new"
# verdict = "ok"
# expect = { "mount" = "ENOSYS", "umount2" = "ENOSYS", "pivot_root" = "ENOSYS", "chroot" = "ENOSYS", "open_tree" = "ENOSYS", "move_mount" = "ENOSYS", "fsopen" = "ENOSYS", "fsconfig" = "ENOSYS", "fsmount" = "ENOSYS", "fspick" = "ENOSYS", "mount_setattr" = "ENOSYS", "open_tree_attr" = "ENOSYS" }
call("mount", b"/", b"/tmp", 0, 0x1000, 0)          # MS_BIND
call("mount", 0, b"/", 0, 0x20 | 0x1000, 0)         # remount for writing
call("mount", 0, b"/", 0, 0x100000, 0)              # MS_SHARED
call("umount2", b"/proc", 2)
call("umount2", b"/box", 2)
call("pivot_root", b"/tmp", b"/tmp")
call("chroot", b"/tmp")
call("open_tree", -100, b"/", 1)
call("move_mount", -100, b"/", -100, b"/tmp", 0)
call("fsopen", b"tmpfs", 0)
call("fsconfig", 0, 6, 0, 0, 0)
call("fsmount", 0, 0, 0)
call("fspick", -100, b"/", 0)
call("mount_setattr", -100, b"/usr", 0, (ctypes.c_ulonglong * 4)(0, 1, 0, 0), 32)
call("open_tree_attr", -100, b"/", 1, 0, 0)
