#pragma once

#include <openssl/types.h>

#include <cstddef>
#include <string>
#include <string_view>

namespace executor {

class Sha256 {
 public:
  static constexpr size_t kHexLength = 64;

  Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  ~Sha256();

  void Add(const void* data, size_t size);

  // With its length, so that no two lists of texts read the same.
  void AddText(std::string_view text);

  // In small hexadecimal digits. Ends it.
  std::string Hex();

 private:
  EVP_MD_CTX* context_;
};

}  // namespace executor
