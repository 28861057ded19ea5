# tries = "MPTCP, SCTP, DCCP, UDP-Lite and raw protocols, which rules for TCP do not see"
# verdict = "ok"
# expect = { "mptcp" = "ENOSYS", "sctp" = "ENOSYS", "dccp" = "ENOSYS", "udplite" = "ENOSYS", "icmp" = "ENOSYS", "seqpacket" = "ENOSYS" }
import socket

for family in (socket.AF_INET, socket.AF_INET6):
    attempt("mptcp", lambda: socket.socket(family, socket.SOCK_STREAM, 262))
    attempt("sctp", lambda: socket.socket(family, socket.SOCK_STREAM, 132))
    attempt("dccp", lambda: socket.socket(family, 6, 33))
    attempt("udplite", lambda: socket.socket(family, socket.SOCK_DGRAM, 136))
    attempt("icmp", lambda: socket.socket(family, socket.SOCK_DGRAM, 1))
    attempt("seqpacket", lambda: socket.socket(family, socket.SOCK_SEQPACKET, 0))
