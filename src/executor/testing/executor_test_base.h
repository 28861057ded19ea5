#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "executor/executor.h"
#include "executor/testing/fakes.h"
#include "language/language.h"

// What the tests of the executor share.
namespace executor {

// An executor between the fakes, whose loop runs while a test waits.
class ExecutorTest : public testing::Test {
 protected:
  ExecutorTest();
  ~ExecutorTest() override;

  void Start();

  void Queue(const std::string& id, const std::string& language = "script");

  // Begins an interactive job; what the executor answers.
  base::Result<std::shared_ptr<job::Session>> Begin(const std::string& id,
                                                    const std::string& language = "script",
                                                    bool terminal = false);

  // Runs the loop until `condition` holds.
  [[nodiscard]] bool Until(const std::function<bool()>& condition);

  bool UntilStarted(size_t runs) {
    return Until([&] { return backend_.specs.size() >= runs; });
  }

  bool UntilFinished(const std::string& id) {
    return Until([&] { return store_.outcomes.count(id) != 0 && executor_->running() == 0; });
  }

  const std::unique_ptr<boost::asio::io_context> owned_loop_;
  boost::asio::io_context& loop_;
  FakeStore store_;
  FakeBackend backend_;
  language::Registry languages_;
  Options options_;
  std::unique_ptr<Executor> executor_;
};

}  // namespace executor
