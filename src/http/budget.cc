#include "http/budget.h"

#include <utility>

namespace http {

struct Budget::Share::Accounts {
  int64_t limit = 0;
  int64_t taken = 0;
  std::unordered_map<std::string, int64_t> by_client;  // those that have something
};

Budget::Budget(int64_t bytes) : accounts_(std::make_shared<Share::Accounts>()) {
  accounts_->limit = bytes;
}

int64_t Budget::taken() const {
  return accounts_->taken;
}

Budget::Share::Share(const Budget& budget, std::string client)
    : accounts_(budget.accounts_), client_(std::move(client)) {}

Budget::Share::~Share() {
  GiveBack(bytes_);
}

Budget::Share::Share(Share&& other) noexcept
    : accounts_(std::move(other.accounts_)),
      client_(std::move(other.client_)),
      bytes_(std::exchange(other.bytes_, 0)) {}

Budget::Share& Budget::Share::operator=(Share&& other) noexcept {
  if (this != &other) {
    GiveBack(bytes_);
    accounts_ = std::move(other.accounts_);
    client_ = std::move(other.client_);
    bytes_ = std::exchange(other.bytes_, 0);
  }
  return *this;
}

bool Budget::Share::Resize(int64_t bytes) {
  const int64_t more = bytes - bytes_;
  if (accounts_ == nullptr) {
    return true;
  }
  if (more <= 0) {
    GiveBack(-more);
    return true;
  }
  int64_t& had = accounts_->by_client[client_];
  if (accounts_->taken + more > accounts_->limit || had + more > accounts_->limit / 2) {
    if (had == 0) {
      accounts_->by_client.erase(client_);
    }
    return false;
  }
  had += more;
  accounts_->taken += more;
  bytes_ = bytes;
  return true;
}

void Budget::Share::GiveBack(int64_t bytes) {
  if (bytes == 0 || accounts_ == nullptr) {
    return;
  }
  const auto account = accounts_->by_client.find(client_);
  account->second -= bytes;
  if (account->second == 0) {
    accounts_->by_client.erase(account);
  }
  accounts_->taken -= bytes;
  bytes_ -= bytes;
}

}  // namespace http
