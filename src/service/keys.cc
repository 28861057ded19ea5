#include "service/keys.h"

#include <openssl/crypto.h>

#include <utility>

namespace service {

Keys::Keys(Mode mode, std::vector<job::Key> configured) : mode_(mode) {
  for (job::Key& key : configured) {
    configured_.push_back(std::make_shared<const job::Key>(std::move(key)));
    by_hash_.emplace(configured_.back()->hash, configured_.back());
  }
}

std::optional<bool> Keys::required() const {
  if (mode_ != Mode::kAuto || !configured_.empty()) {
    return mode_ != Mode::kOff;
  }
  return revision_ ? std::optional(*revision_ > 0) : std::nullopt;
}

Keys::KeyPtr Keys::Find(std::string_view secret) const {
  const std::string hash = job::HashSecret(secret);
  const auto found = by_hash_.find(hash);
  if (found == by_hash_.end() ||
      ::CRYPTO_memcmp(found->first.data(), hash.data(), hash.size()) != 0) {
    return nullptr;
  }
  return found->second;
}

bool Keys::IsCurrent(const job::Key& key) const {
  const auto found = by_hash_.find(key.hash);
  return found != by_hash_.end() && found->second->id == key.id;
}

void Keys::Replace(uint64_t revision, std::vector<job::Key> kept) {
  std::unordered_map<std::string, KeyPtr> by_hash;
  for (const KeyPtr& key : configured_) {
    by_hash.emplace(key->hash, key);
  }
  for (job::Key& key : kept) {
    const auto known = by_hash_.find(key.hash);
    if (known != by_hash_.end() && known->second->id == key.id) {
      by_hash.emplace(key.hash, known->second);  // keys never change
    } else {
      std::string hash = key.hash;
      by_hash.emplace(std::move(hash), std::make_shared<const job::Key>(std::move(key)));
    }
  }
  revision_ = revision;
  const auto before = std::exchange(by_hash_, std::move(by_hash));
  for (const auto& [hash, key] : before) {
    if (revoked_ && !IsCurrent(*key)) {
      revoked_(*key);
    }
  }
}

void Keys::OnRevoked(std::function<void(const job::Key&)> revoked) {
  revoked_ = std::move(revoked);
}

bool MaySee(const Caller& caller, std::string_view tenant) {
  return caller.key != nullptr ? tenant == caller.tenant : !job::IsKeyTenant(tenant);
}

}  // namespace service
