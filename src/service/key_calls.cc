// The part of Service that makes, lists and revokes keys.
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "base/time.h"
#include "job/key_store.h"
#include "service/service.h"
#include "service/validate.h"

namespace service {
namespace {

constexpr size_t kKeyIdBytes = 9;

Refusal FromKeyStore(const base::Error& error) {
  return FromStore(error, "there is no such key", error.message);
}

}  // namespace

std::optional<Refusal> Service::NotAdmin(const Caller& caller) {
  if (caller.key != nullptr && caller.key->admin) {
    return std::nullopt;
  }
  return Refusal{Refusal::Kind::kForbidden,
                 "this needs a key with \"admin\": true; `sandboxd keys create` makes the first",
                 {}};
}

void Service::RefreshKeys(std::function<void()> done) {
  if (store_.keys() == nullptr) {
    done();
    return;
  }
  store_.keys()->ReadKeys(keys_.revision(),
                          [this, done = std::move(done)](base::Result<job::KeySet> read) {
                            if (read && read->keys) {
                              keys_.Replace(read->revision, std::move(*read->keys));
                            }
                            done();
                          });
}

void Service::CreateKey(
    std::string_view body, const Caller& caller,
    std::function<void(std::optional<job::Key>, std::string secret, Refusal)> done) {
  if (std::optional<Refusal> refusal = NotAdmin(caller)) {
    done(std::nullopt, "", std::move(*refusal));
    return;
  }
  job::Key key;
  job::ParseError error;
  if (!job::ParseKey(body, &key, &error)) {
    Refusal refusal{Refusal::Kind::kInvalid, "the key is not valid", std::move(error.errors)};
    if (error.malformed) {
      refusal = {Refusal::Kind::kMalformed, refusal.errors.front().message, {}};
    }
    done(std::nullopt, "", std::move(refusal));
    return;
  }
  if (auto errors = ValidateKey(languages_, &key); !errors.empty()) {
    done(std::nullopt, "", {Refusal::Kind::kInvalid, "the key is not valid", std::move(errors)});
    return;
  }
  const std::string secret = job::NewSecret();
  key.id = base::RandomId(kKeyIdBytes);
  key.hash = job::HashSecret(secret);
  key.created_at = base::WallNow();
  store_.keys()->AddKey(
      key, [this, key, secret, done = std::move(done)](const base::Result<void>& added) {
        if (!added) {
          done(std::nullopt, "", FromKeyStore(added.error()));
          return;
        }
        base::Log(base::LogLevel::kInfo, "key made", {{"id", key.id}, {"name", key.name}});
        RefreshKeys([key, secret, done] { done(key, secret, {}); });
      });
}

void Service::ListKeys(const Caller& caller,
                       std::function<void(std::optional<std::vector<job::Key>>, Refusal)> done) {
  if (std::optional<Refusal> refusal = NotAdmin(caller)) {
    done(std::nullopt, std::move(*refusal));
    return;
  }
  store_.keys()->ReadKeys(std::nullopt,
                          [this, done = std::move(done)](base::Result<job::KeySet> read) {
                            if (!read) {
                              done(std::nullopt, FromKeyStore(read.error()));
                              return;
                            }
                            std::vector<job::Key> all;
                            for (const Keys::KeyPtr& key : keys_.configured()) {
                              all.push_back(*key);
                            }
                            for (job::Key& key : *read->keys) {
                              all.push_back(std::move(key));
                            }
                            done(std::move(all), {});
                          });
}

void Service::RevokeKey(std::string id, const Caller& caller,
                        std::function<void(std::optional<Refusal>)> done) {
  if (std::optional<Refusal> refusal = NotAdmin(caller)) {
    done(std::move(refusal));
    return;
  }
  for (const Keys::KeyPtr& key : keys_.configured()) {
    if (key->id == id) {
      done(Refusal{Refusal::Kind::kConflict,
                   "this key is of the service's configuration: take it away there",
                   {}});
      return;
    }
  }
  store_.keys()->RemoveKey(id,
                           [this, id, done = std::move(done)](const base::Result<void>& removed) {
                             if (!removed) {
                               done(FromKeyStore(removed.error()));
                               return;
                             }
                             base::Log(base::LogLevel::kInfo, "key revoked", {{"id", id}});
                             RefreshKeys([done] { done(std::nullopt); });
                           });
}

}  // namespace service
