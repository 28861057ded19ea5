#pragma once

#include <functional>
#include <memory>
#include <string>

#include "executor/run.h"
#include "job/session.h"

namespace executor {

// A client's hold on a run. On the event loop's thread.
class Session final : public job::Session {
 public:
  // `cancel` is called when the session is destroyed; the run may have ended by then.
  Session(std::shared_ptr<Run> run, std::function<void()> cancel)
      : run_(std::move(run)), cancel_(std::move(cancel)) {}

  ~Session() override { cancel_(); }

  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void Write(std::string data, std::function<void()> done) override {
    run_->Write(std::move(data), std::move(done));
  }

  void CloseInput() override { run_->CloseInput(); }

  bool terminal() const override { return run_->terminal(); }

  void Resize(job::TerminalSize size) override { run_->Resize(size); }

  void Signal(int signal) override { run_->Signal(signal); }

 private:
  const std::shared_ptr<Run> run_;
  const std::function<void()> cancel_;
};

}  // namespace executor
