# tries = "reach the cloud's metadata service, link-local addresses and a gateway"
# verdict = "ok"
# expect = { "tcp4" = "ENETUNREACH", "udp4" = "ENETUNREACH", "tcp6" = "ENETUNREACH|EADDRNOTAVAIL", "udp6" = "ENETUNREACH|EADDRNOTAVAIL", "link" = "EINVAL|ENETUNREACH|EADDRNOTAVAIL" }
import socket

for name, kind in (("tcp", socket.SOCK_STREAM), ("udp", socket.SOCK_DGRAM)):
    for host in ("169.254.169.254", "169.254.170.2", "10.0.0.1", "192.168.0.1", "172.17.0.1", "1.1.1.1"):
        s = socket.socket(socket.AF_INET, kind)
        s.settimeout(1)
        attempt(name + "4", lambda: s.connect((host, 80)))
    for host in ("fd00:ec2::254", "fe80::1", "2606:4700:4700::1111"):
        s = socket.socket(socket.AF_INET6, kind)
        s.settimeout(1)
        # Without an interface the kernel refuses link-local addresses before it looks for a route.
        attempt("link" if host.startswith("fe80") else name + "6", lambda: s.connect((host, 80)))
