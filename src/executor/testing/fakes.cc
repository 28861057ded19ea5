#include "executor/testing/fakes.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

namespace executor {

void FakeStore::Post(std::function<void()> f) const {
  boost::asio::post(loop_, std::move(f));
}

void FakeBackend::Post(std::function<void()> f) const {
  boost::asio::post(loop_, std::move(f));
}

}  // namespace executor
