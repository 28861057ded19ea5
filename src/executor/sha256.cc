#include "executor/sha256.h"

#include <openssl/evp.h>

#include <array>
#include <cstdint>

namespace executor {

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  if (context_ != nullptr) {
    EVP_DigestInit_ex(context_, EVP_sha256(), nullptr);
  }
}

Sha256::~Sha256() {
  EVP_MD_CTX_free(context_);
}

void Sha256::Add(const void* data, size_t size) {
  EVP_DigestUpdate(context_, data, size);
}

void Sha256::AddText(std::string_view text) {
  const uint64_t size = text.size();
  Add(&size, sizeof(size));
  Add(text.data(), text.size());
}

std::string Sha256::Hex() {
  std::array<unsigned char, kHexLength / 2> hash{};
  EVP_DigestFinal_ex(context_, hash.data(), nullptr);
  std::string out;
  for (const unsigned char byte : hash) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

}  // namespace executor
