# tries = "add interfaces, addresses, routes and neighbours, and leave the network namespace"
# verdict = "ok"
# expect = { "change" = "EPERM", "links" = "1" }
import socket
import struct

NEWLINK, NEWADDR, NEWROUTE, NEWNEIGH, NEWRULE, NEWNSID, NEWTCLASS = 16, 20, 24, 28, 32, 88, 40
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
s.settimeout(2)
for kind, body in ((NEWLINK, struct.pack("BxHiII", 0, 0, 0, 0, 0)), (NEWLINK, struct.pack("BxHiII", 0, 0, 1, 0, 1)),
                   (NEWADDR, struct.pack("BBBBI", 2, 8, 0, 0, 1)), (NEWROUTE, struct.pack("BBBBBBBBI", 2, 0, 0, 0, 254, 3, 0, 1, 0)),
                   (NEWNEIGH, struct.pack("BxHiHBB", 2, 0, 1, 2, 0, 0)), (NEWNSID, struct.pack("B3x", 0)),
                   (NEWTCLASS, struct.pack("BxHiIII", 0, 0, 1, 0, 0, 0))):
    s.send(struct.pack("IHHII", 16 + len(body), kind, 0x605, 1, 0) + body)
    answer = s.recv(65536)
    code = struct.unpack_from("i", answer, 16)[0]
    say("change", errno_name(-code))
say("links", len(socket.if_nameindex()))
