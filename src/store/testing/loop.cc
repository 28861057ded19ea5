#include "store/testing/loop.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <utility>

namespace store {

struct Loop::Impl {
  boost::asio::io_context context{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work =
      boost::asio::make_work_guard(context);
};

Loop::Loop() : impl_(std::make_unique<Impl>()) {}

Loop::~Loop() = default;

boost::asio::io_context& Loop::context() {
  return impl_->context;
}

Post Loop::post() {
  return [this](std::function<void()> f) { boost::asio::post(impl_->context, std::move(f)); };
}

bool Loop::RunUntil(const std::function<bool()>& done) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!done()) {
    if (impl_->context.run_one_until(deadline) == 0) {
      return false;
    }
  }
  return true;
}

}  // namespace store
