#include "job/key.h"

#include <openssl/sha.h>

#include <algorithm>
#include <array>

#include "base/text.h"

namespace job {
namespace {

constexpr std::string_view kTenantPrefix = "key:";
constexpr std::string_view kSecretPrefix = "sbx_";
constexpr size_t kSecretBytes = 32;

bool IsAlnum(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

}  // namespace

bool IsKeyName(std::string_view text) {
  return !text.empty() && text.size() <= kMaxKeyName &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return IsAlnum(c) || c == '-' || c == '_' || c == '.'; });
}

bool IsSecret(std::string_view text) {
  return text.size() >= kMinSecret && text.size() <= kMaxSecret &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return IsAlnum(c) || std::string_view("-._~+/=").find(c) != std::string_view::npos;
         });
}

std::string NewSecret() {
  return std::string(kSecretPrefix) + base::RandomId(kSecretBytes);
}

std::string HashSecret(std::string_view secret) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> hash{};
  ::SHA256(reinterpret_cast<const unsigned char*>(secret.data()), secret.size(), hash.data());
  return {hash.begin(), hash.end()};
}

std::string TenantOf(const Key& key) {
  return std::string(kTenantPrefix) + key.id;
}

bool IsKeyTenant(std::string_view tenant) {
  return tenant.starts_with(kTenantPrefix);
}

}  // namespace job
