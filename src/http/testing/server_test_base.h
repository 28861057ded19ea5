#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>

#include "http/server.h"
#include "http/testing/client.h"
#include "http/testing/fake_store.h"
#include "language/language.h"

// What the tests of the server share.
namespace http {

inline constexpr const char* kUnknownId = "AAAAAAAAAAAAAAAAAAAAAA";
inline constexpr std::string_view kHello = R"({"language":"shell","code":"echo hi"})";

// A server on a thread of its own, on a store that keeps jobs in memory.
class ServerTest : public ::testing::Test {
 protected:
  ServerTest();
  ~ServerTest() override;

  // Ends the server, then the loop.
  void TearDown() override;

  void Start();

  static const language::Registry& Languages();

  // Runs `f` on the loop's thread and waits for it.
  template <typename F>
  std::invoke_result_t<F> OnLoop(F f) {
    if (!thread_.joinable()) {
      return f();
    }
    auto task = std::make_shared<std::packaged_task<std::invoke_result_t<F>()>>(std::move(f));
    auto future = task->get_future();
    PostOnLoop([task] { (*task)(); });
    return future.get();
  }

  // Runs `f` on the loop once somebody watches a job.
  void WhenWatched(std::function<void()> f);

  std::string AddJob(job::Status status = job::Status::kQueued);

  // Waits, on the loop, until `condition` holds.
  bool Eventually(std::function<bool()> condition);

  // Does not wait for it.
  void PostOnLoop(std::function<void()> f);

  struct Loop;
  const std::unique_ptr<Loop> owned_loop_;
  boost::asio::io_context& loop_;
  FakeStore store_;
  Options options_;
  service::Options service_options_;
  std::optional<service::Service> service_;
  HealthInfo health_{"1.2.3", "strong", "fake", "native", "all", false, {"time"}};
  std::optional<Server> server_;
  std::thread thread_;
  uint16_t port_ = 0;
};

}  // namespace http
