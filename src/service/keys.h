#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "job/key.h"

namespace service {

// The keys that are good at the moment: those of the configuration, and those that the store keeps.
// Single-threaded.
class Keys {
 public:
  using KeyPtr = std::shared_ptr<const job::Key>;

  // kAuto: calls need a key from the moment on that there is one, or was one in the store. Whoever
  // takes the last one away does not open the service.
  enum class Mode { kAuto, kRequired, kOff };

  Keys() = default;  // off
  Keys(Mode mode, std::vector<job::Key> configured);

  // Whether calls need a key. nullopt: not known yet, as the store has not told which keys it has.
  std::optional<bool> required() const;

  // The revision of the store's keys that are known; nullopt: none.
  std::optional<uint64_t> revision() const { return revision_; }

  // Null: it is no good, as far as is known. Takes as long whatever the secret is: what is looked
  // up is its hash, whose bits nobody chooses, and that is compared in constant time.
  KeyPtr Find(std::string_view secret) const;

  // False once it was revoked.
  bool IsCurrent(const job::Key& key) const;

  // From now on these are the store's.
  void Replace(uint64_t revision, std::vector<job::Key> kept);

  // Calls `revoked` with each key that is not good any more from then on. One listener.
  void OnRevoked(std::function<void(const job::Key&)> revoked);

  const std::vector<KeyPtr>& configured() const { return configured_; }

 private:
  Mode mode_ = Mode::kOff;
  std::vector<KeyPtr> configured_;
  std::optional<uint64_t> revision_;
  std::unordered_map<std::string, KeyPtr> by_hash_;
  std::function<void(const job::Key&)> revoked_;
};

// Who calls: whom jobs are charged to, and what bounds that. Without a key it is an address.
struct Caller {
  std::string tenant;
  Keys::KeyPtr key;
};

// Whether a job of this tenant exists for the caller. Without keys whoever knows a job's id may
// have it; with them, only the key that submitted it.
bool MaySee(const Caller& caller, std::string_view tenant);

}  // namespace service
