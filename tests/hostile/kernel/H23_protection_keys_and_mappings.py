# tries = "65 000 mappings and every protection key"
# verdict = ["ok", "memory_limit"]
# expect = { "mappings" = "ENOMEM after 65[0-9]{3}", "keys" = "(ENOSPC|ENOSYS|EINVAL|EOPNOTSUPP) after [0-9]+" }
count = 0
base = raw("mmap", 0, 1 << 30, 0, 0x22, -1, 0)
while (result := raw(10, base + count * 8192, 4096, 1 + count % 2)) == 0 and count < 131000:
    count += 1
say("mappings", f"{errno_name(-result)} after {count * 2}")
count = 0
while (result := raw(330, 0, 0)) >= 0:
    count += 1
say("keys", f"{errno_name(-result)} after {count}")
