#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/time.h"
#include "docker/cli.h"
#include "docker/frames.h"
#include "docker/live_input.h"
#include "sandbox/spec.h"

// One supervisor, from its start to its end: the job goes in, the result comes out.
namespace docker {

class Conversation : public std::enable_shared_from_this<Conversation> {
 public:
  struct Outcome {
    bool answered = false;        // the supervisor has reported; `result` is complete
    bool accepted = false;        // it has said hello
    sandbox::RunResult result{};  // kInternal with a message when not answered
    int error = 0;                // errno of a failure that the supervisor has reported
  };

  using OnReady = std::function<void()>;
  using OnDone = std::function<void(Outcome)>;

  Conversation(boost::asio::io_context& loop, Cli& cli);
  ~Conversation();

  Conversation(const Conversation&) = delete;
  Conversation& operator=(const Conversation&) = delete;

  // Starts the supervisor. `on_ready` is called when it has said hello, or not at all. `on_done` is
  // called once, never from within a call. `deadline` bounds the life of the command.
  void Open(wire::Command command, const std::string& name, base::Nanos deadline, OnReady on_ready,
            OnDone on_done);

  // Gives it up when it has not said hello by then, and no job has been sent.
  void ExpectHello(base::Nanos from_now);

  // Sends the job, before or after the hello. `bytes` is what EncodeJob made of `spec`. It has
  // until its wall time and a little more; then the supervisor counts as lost. `feed` is what is
  // said to the program while it runs; null for nothing.
  void Send(const sandbox::Spec& spec, std::string bytes, sandbox::Backend::OnOutput on_output,
            std::shared_ptr<Feed> feed);

  // Hears what the program uses while it runs.
  void WatchUsage(sandbox::Backend::OnUsage on_usage);

  // Asks the supervisor to kill the job; the answer follows, or the conversation is given up.
  void Cancel();

  // Ends standard input and kills the CLI; on_done follows unless it was called.
  void Close();

  // Nothing is called any more.
  void Abandon();

  const wire::Hello& hello() const { return hello_; }

  bool greeted() const { return greeted_; }

 private:
  struct Parts;

  void Read();
  void ReadPlain(std::string_view data);
  void ReadErrors();
  void Write();
  void WriteNext();
  void Arm(base::Nanos from_now, const std::string& complaint);
  void Lose(const std::string& message);
  void MaybeDone();

  boost::asio::io_context& loop_;
  Cli& cli_;
  std::unique_ptr<Parts> parts_;
  std::string name_;
  wire::Hello hello_{};
  bool greeted_ = false;
  bool cancelled_ = false;
  bool ended_ = false;  // the CLI
  bool output_ended_ = false;
  Cli::CommandId command_ = 0;
  CallResult end_;
  std::string lost_;  // why it was given up
  base::Nanos sent_at_ = 0;
  OnReady on_ready_;
  OnDone on_done_;
};

}  // namespace docker
