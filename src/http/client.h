#pragma once

#include <sys/socket.h>

#include <string>

namespace http {

// Whom a connection from `peer` is charged to: an IPv4 address ("192.0.2.1", also when mapped into
// IPv6), or an IPv6 /64 ("2001:db8::/64"), since one host may use all of its addresses. Never
// empty.
std::string ClientOf(const sockaddr_storage& peer);

// Whether `peer` is this machine: 127.0.0.0/8, also when mapped into IPv6, or ::1.
bool IsLoopback(const sockaddr_storage& peer);

}  // namespace http
