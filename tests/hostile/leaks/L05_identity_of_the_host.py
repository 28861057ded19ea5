# tries = "learn the host's name, users and addresses"
# verdict = "ok"
# expect = { "name" = "sandbox", "domain" = "\\(none\\)|", "users" = "root sandbox nobody", "hosts" = "localhost localhost sandbox", "files" = "ENOENT", "interfaces" = "lo", "groups" = "" }
import grp
import pwd
import socket

say("name", socket.gethostname())
say("name", os.uname().nodename)
say("name", open("/etc/hostname").read().strip())
buffer = ctypes.create_string_buffer(256)
libc.getdomainname(buffer, 256)
say("domain", buffer.value.decode())
say("users", " ".join(user.pw_name for user in pwd.getpwall()))
say("hosts", " ".join(sorted(word for line in open("/etc/hosts") for word in line.split()[1:])))
for path in ("/etc/resolv.conf", "/etc/machine-id", "/etc/fstab", "/etc/shadow", "/etc/os-release.d", "/etc/ssh",
             "/var/log", "/home", "/root", "/run", "/boot", "/srv", "/mnt", "/opt/x"):
    attempt("files", lambda: open(path).read(1))
say("interfaces", " ".join(name for _, name in socket.if_nameindex()))
say("groups", " ".join(map(str, (g for g in os.getgroups() if g != 1000))))
