#pragma once

#include <functional>
#include <memory>

#include "store/stores.h"

namespace boost::asio {
class io_context;
}

namespace store {

// The event loop of the stores' tests: it runs while a test waits.
class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  boost::asio::io_context& context();
  Post post();

  // Runs until `done`; false when that does not come true in time.
  bool RunUntil(const std::function<bool()>& done);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace store
