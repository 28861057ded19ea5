#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "job/job.h"
#include "job/rate.h"

// API keys: who may call, and how much. Plain values; the secret itself is never kept.
namespace job {

// A key, without its secret. Never changed once it is there: a key that is to allow something else
// is another key.
struct Key {
  std::string id;    // public: what lists and the log call it
  std::string name;  // for people; IsKeyName
  std::string hash;  // SHA-256 of the secret, 32 bytes
  base::Nanos created_at = 0;
  bool admin = false;  // may make, list and revoke keys

  // 0 or empty each: only what bounds everybody.
  Rate rate;                           // jobs
  int64_t max_running = 0;             // jobs at once
  int64_t max_queued = 0;              // jobs
  std::vector<std::string> languages;  // canonical ids
  base::Nanos max_timeout = 0;
  Limits max_limits;
};

constexpr size_t kMaxKeys = 10'000;
constexpr int64_t kMaxKeyJobs = 1'000'000;  // max_running, max_queued
constexpr size_t kMaxKeyName = 64;
// Of a secret that an operator chooses. Those that this program makes have 256 random bits: nobody
// finds one by trying, so that a plain hash keeps them as well as a slow one would.
constexpr size_t kMinSecret = 16;
constexpr size_t kMaxSecret = 256;

// 1 to kMaxKeyName letters, digits, '-', '_' and '.'.
bool IsKeyName(std::string_view text);

// kMinSecret to kMaxSecret characters that RFC 6750 lets a bearer token have.
bool IsSecret(std::string_view text);

// A new secret: "sbx_" and 43 characters, so that scanners for leaked secrets can tell it.
std::string NewSecret();

constexpr size_t kHashBytes = 32;
std::string HashSecret(std::string_view secret);

// Whom the jobs of a key are charged to. No client's address is one of these.
std::string TenantOf(const Key& key);

// Whether a tenant is that of a key.
bool IsKeyTenant(std::string_view tenant);

}  // namespace job
