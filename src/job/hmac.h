#pragma once

#include <string>
#include <string_view>

namespace job {

// HMAC with SHA-256 (RFC 2104): 32 bytes. Thread-safe.
std::string HmacSha256(std::string_view key, std::string_view text);

// An id of the form of a job's, the same for the same arguments, that nobody finds without
// `secret`.
std::string DeriveId(std::string_view secret, std::string_view scope, std::string_view name);

}  // namespace job
