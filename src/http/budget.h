#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>

namespace http {

// What all connections together may keep in memory of requests and answers, in bytes. One client
// may have half of it, so that there is something left for others. Single-threaded. Shares may
// outlive it.
class Budget {
 public:
  explicit Budget(int64_t bytes);

  // A part of the budget, given back at its end. Without a budget it may grow for ever.
  class Share {
   public:
    Share() = default;
    Share(const Budget& budget, std::string client);
    ~Share();
    Share(Share&& other) noexcept;
    Share& operator=(Share&& other) noexcept;
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;

    // Makes the share that large. False when that is more than is left for the client: the share is
    // as it was.
    bool Resize(int64_t bytes);

   private:
    struct Accounts;
    friend class Budget;

    void GiveBack(int64_t bytes);

    std::shared_ptr<Accounts> accounts_;
    std::string client_;
    int64_t bytes_ = 0;
  };

  int64_t taken() const;

 private:
  std::shared_ptr<Share::Accounts> accounts_;
};

}  // namespace http
