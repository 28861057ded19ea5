#include "docker/conversation.h"

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <utility>

#include "base/text.h"

namespace docker {
namespace {

namespace asio = boost::asio;

constexpr size_t kMaxErrors = 4096;
// What the supervisor may take beyond the program's own time: to read the job, to kill, to clean up
// and to send files.
constexpr base::Nanos kGrace = 20 * base::kSecond;
constexpr base::Nanos kCancelTime = 15 * base::kSecond;
constexpr base::Nanos kEndTime = 5 * base::kSecond;
constexpr const char* kSilent = "it does not answer; is it paused?";

}  // namespace

struct Conversation::Parts {
  explicit Parts(asio::io_context& loop) : input(loop), output(loop), errors(loop), timer(loop) {}

  asio::posix::stream_descriptor input;
  asio::posix::stream_descriptor output;
  asio::posix::stream_descriptor errors;
  asio::steady_timer timer;
  std::array<char, 65536> output_buffer{};
  std::array<char, 4096> errors_buffer{};
  std::string errors_text;
  std::string plain;  // what came in place of frames
  std::string to_send;
  std::shared_ptr<Feed> feed;
  std::unique_ptr<FrameParser> parser;
  sandbox::Backend::OnOutput on_output;
  sandbox::Backend::OnUsage on_usage;
  bool writing = false;
  bool job_written = false;
  bool cancel_sent = false;
};

Conversation::Conversation(asio::io_context& loop, Cli& cli)
    : loop_(loop), cli_(cli), parts_(std::make_unique<Parts>(loop)) {}

Conversation::~Conversation() = default;

void Conversation::Open(wire::Command command, const std::string& name, base::Nanos deadline,
                        OnReady on_ready, OnDone on_done) {
  name_ = name;
  on_ready_ = std::move(on_ready);
  on_done_ = std::move(on_done);
  FrameParser::Events events;
  events.on_hello = [this](const wire::Hello& hello) {
    hello_ = hello;
    greeted_ = true;
    if (sent_at_ == 0) {
      parts_->timer.cancel();
    }
    if (on_ready_) {
      asio::post(loop_, [self = shared_from_this()] {
        if (const auto ready = std::exchange(self->on_ready_, nullptr)) {
          ready();
        }
      });
    }
  };
  events.on_started = [this] {
    parts_->parser->result().start_time = base::MonotonicNow() - sent_at_;
  };
  events.on_output = [this](sandbox::Stream stream, std::string_view data) {
    if (parts_->on_output) {
      parts_->on_output(stream, data);
    }
  };
  events.on_usage = [this](const sandbox::LiveUsage& usage) {
    if (parts_->on_usage) {
      parts_->on_usage(usage);
    }
  };
  events.on_taken = [this](uint32_t bytes) { return parts_->feed && parts_->feed->Taken(bytes); };
  parts_->parser = std::make_unique<FrameParser>(std::move(events));
  Streams streams;
  auto opened =
      cli_.Open(command, name, deadline, &streams, [self = shared_from_this()](CallResult result) {
        self->ended_ = true;
        self->end_ = std::move(result);
        // A stray holder of the pipe's end must not keep the answer.
        self->Arm(kEndTime, "its output does not end");
        self->MaybeDone();
      });
  if (!opened) {
    ended_ = output_ended_ = true;
    end_.started = opened.error();
    asio::post(loop_, [self = shared_from_this()] { self->MaybeDone(); });
    return;
  }
  command_ = *opened;
  parts_->input.assign(streams.input.release());
  parts_->output.assign(streams.output.release());
  parts_->errors.assign(streams.errors.release());
  parts_->input.non_blocking(true);
  Read();
  ReadErrors();
}

void Conversation::ExpectHello(base::Nanos from_now) {
  if (!greeted_ && !ended_ && sent_at_ == 0) {
    Arm(from_now, "it does not start; is the daemon (DOCKER_HOST) overloaded?");
  }
}

void Conversation::Send(const sandbox::Spec& spec, std::string bytes,
                        sandbox::Backend::OnOutput on_output, std::shared_ptr<Feed> feed) {
  parts_->parser->Expect(spec);
  parts_->feed = std::move(feed);
  parts_->on_output = std::move(on_output);
  parts_->to_send = std::move(bytes);
  sent_at_ = base::MonotonicNow();
  Arm(spec.limits.wall_time + kGrace, kSilent);
  if (parts_->input.is_open()) {
    Write();
  }
  if (parts_->feed) {
    parts_->feed->Attach([weak = weak_from_this()] {
      if (const auto self = weak.lock()) {
        self->WriteNext();
      }
    });
  }
}

void Conversation::Write() {
  parts_->writing = true;
  asio::async_write(parts_->input, asio::buffer(parts_->to_send),
                    [self = shared_from_this()](const boost::system::error_code& error, size_t) {
                      self->parts_->writing = false;
                      self->parts_->job_written = true;
                      self->parts_->to_send.clear();
                      if (!error) {  // one shows as the end of the CLI
                        self->WriteNext();
                      }
                    });
}

// What has to be said when all that was said is written.
void Conversation::WriteNext() {
  if (parts_->writing || !parts_->input.is_open()) {
    return;
  }
  if (std::exchange(cancelled_, false)) {
    parts_->cancel_sent = true;
    Arm(kCancelTime, kSilent);
    const wire::Control cancel{static_cast<uint32_t>(wire::ControlType::kCancel), 0};
    parts_->to_send.assign(reinterpret_cast<const char*>(&cancel), sizeof(cancel));
  } else if (parts_->feed && !parts_->cancel_sent) {
    parts_->to_send = parts_->feed->Take();
  }
  if (!parts_->to_send.empty()) {
    Write();
  }
}

void Conversation::WatchUsage(sandbox::Backend::OnUsage on_usage) {
  parts_->on_usage = std::move(on_usage);
}

void Conversation::Cancel() {
  cancelled_ = true;
  if (parts_->job_written) {
    Arm(kCancelTime, kSilent);  // also when it takes nothing of what is said to it
  }
  WriteNext();
}

void Conversation::Close() {
  Lose("it was given up");
}

void Conversation::Abandon() {
  on_ready_ = nullptr;
  on_done_ = nullptr;
  parts_->on_output = nullptr;
  parts_->on_usage = nullptr;
  Lose("it was given up");
}

void Conversation::Read() {
  parts_->output.async_read_some(
      asio::buffer(parts_->output_buffer),
      [self = shared_from_this()](const boost::system::error_code& error, size_t n) {
        if (error) {
          self->output_ended_ = true;
          self->MaybeDone();
          return;
        }
        const std::string_view data(self->parts_->output_buffer.data(), n);
        const bool plain = !self->parts_->plain.empty();
        auto fed = plain ? base::Result<void>() : self->parts_->parser->Feed(data);
        if (!fed && self->greeted_) {
          self->Lose(fed.error().message);
          return;
        }
        if (!fed || plain) {
          self->ReadPlain(data);
        }
        if (self->parts_->parser->done()) {
          self->Arm(kEndTime, "");
          self->MaybeDone();
        }
        self->Read();
      });
}

// No supervisor speaks, but the CLI or what runs containers: some of them put on stdout why they
// could not execute it.
void Conversation::ReadPlain(std::string_view data) {
  std::string& text = parts_->plain;
  if (text.empty()) {
    Arm(kEndTime, "it does not keep to the protocol, and does not end");
  }
  text.append(data.substr(0, kMaxErrors - std::min(kMaxErrors, text.size())));
}

void Conversation::ReadErrors() {
  parts_->errors.async_read_some(
      asio::buffer(parts_->errors_buffer),
      [self = shared_from_this()](const boost::system::error_code& error, size_t n) {
        if (error) {
          return;
        }
        std::string& text = self->parts_->errors_text;
        text.append(self->parts_->errors_buffer.data(), n);
        if (text.size() > kMaxErrors) {
          text.erase(0, text.size() - kMaxErrors);
        }
        self->ReadErrors();
      });
}

void Conversation::Arm(base::Nanos from_now, const std::string& complaint) {
  parts_->timer.expires_after(std::chrono::nanoseconds(from_now));
  parts_->timer.async_wait(
      [self = shared_from_this(), complaint](const boost::system::error_code& error) {
        if (!error) {
          self->Lose(complaint);
        }
      });
}

// Ends everything on our side. The supervisor sees the end of its input, kills the job and goes, as
// soon as it can.
void Conversation::Lose(const std::string& message) {
  if (lost_.empty()) {
    lost_ = message;
  }
  boost::system::error_code ignored;
  parts_->timer.cancel();
  parts_->input.close(ignored);
  parts_->output.close(ignored);
  if (!ended_ && command_ != 0) {
    cli_.Kill(command_);
  }
  output_ended_ = true;
  MaybeDone();
}

// Done when the supervisor has reported: the job is dead and its folder gone, whatever the CLI
// still does. Else when the CLI has ended, with what it says.
void Conversation::MaybeDone() {
  const bool answered = parts_->parser->done();
  if (!answered && !(ended_ && output_ended_)) {
    return;
  }
  if (ended_) {
    parts_->timer.cancel();
  }
  if (!on_done_) {
    return;
  }
  Outcome outcome;
  outcome.answered = answered;
  outcome.accepted = greeted_;
  outcome.result = std::move(parts_->parser->result());
  outcome.error = parts_->parser->error();
  if (!answered) {
    end_.errors = parts_->plain + "\n" + parts_->errors_text;
    outcome.result.cause = sandbox::Cause::kInternal;
    outcome.result.message = !lost_.empty() ? lost_ : Describe(end_);
  }
  boost::system::error_code ignored;
  parts_->input.close(ignored);
  asio::post(loop_, [self = shared_from_this(), done = std::exchange(on_done_, nullptr),
                     outcome = std::move(outcome)]() mutable {
    self->parts_->on_output = nullptr;
    self->parts_->on_usage = nullptr;
    done(std::move(outcome));
  });
}

}  // namespace docker
