#include "job/hmac.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>

#include "base/text.h"

namespace job {

std::string HmacSha256(std::string_view key, std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
  unsigned int size = 0;
  ::HMAC(::EVP_sha256(), key.data(), static_cast<int>(key.size()),
         reinterpret_cast<const unsigned char*>(text.data()), text.size(), mac.data(), &size);
  return {mac.begin(), mac.begin() + size};
}

std::string DeriveId(std::string_view secret, std::string_view scope, std::string_view name) {
  constexpr size_t kIdBytes = 16;
  // No scope has a NUL, so that no two pairs make the same text.
  const std::string text = std::string(scope) + '\0' + std::string(name);
  std::string id = base::Base64Encode(HmacSha256(secret, text).substr(0, kIdBytes));
  id.erase(std::min(id.size(), id.find('=')));
  std::replace(id.begin(), id.end(), '+', '-');
  std::replace(id.begin(), id.end(), '/', '_');
  return id;
}

}  // namespace job
